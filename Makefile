# The few words everybody types; HACKING.md explains each.
BUILD  ?= build
TYPE   ?= RelWithDebInfo
PREFIX ?= /usr/local
SECONDS ?= 10

.PHONY: all asan check demo sim mutants soak bench fuzz coverage tidy deps conformance torture install clean

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@tools/install-deps --missing build
	@cmake -G Ninja -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=$(TYPE) -DCMAKE_INSTALL_PREFIX=$(PREFIX) >/dev/null

asan: $(BUILD)-asan/build.ninja
	@ninja -C $(BUILD)-asan

$(BUILD)-asan/build.ninja:
	@tools/install-deps --missing build
	@cmake -G Ninja -S . -B $(BUILD)-asan -DCMAKE_BUILD_TYPE=$(TYPE) -DODRAZ_SANITIZE=ON >/dev/null

# What follows brings what it needs, on a fresh Debian too.
deps:
	@tools/install-deps build kafka

check: deps
	@python3 tools/check.py --build $(BUILD)

tidy: deps
	@python3 tools/check.py --build $(BUILD) tidy tidy-built tidy-self check-self

# Two clusters in memory; KAFKA=1: real ones.
demo:
	@tools/install-deps build $(if $(KAFKA),kafka)
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	@ninja -C $(BUILD) odraz traffic
	@KAFKA=$(KAFKA) python3 tools/demo.py

# SEED=n replays one run (UNOWNED=1: where every instance owns everything), SEEDS=n sweeps.
sim: $(BUILD)/build.ninja
	@ninja -C $(BUILD) sim sim_unowned
ifdef SEED
	@$(BUILD)/sim$(if $(UNOWNED),_unowned) seed=$(SEED) log
else
	@$(BUILD)/sim seeds=$(or $(SEEDS),2000)
	@$(BUILD)/sim_unowned seeds=$(or $(SEEDS),2000)
endif

mutants:
	@python3 test/sim/mutants.py

soak: deps
	@$(MAKE) --no-print-directory all
	@$(BUILD)/sim seeds=40000
	@$(BUILD)/sim_unowned seeds=20000
	@python3 test/kafka/soak.py

.PHONY: bench-ceiling bench-latency bench-wan
# Each takes the options of its program: make bench-wan OPTIONS=--quick
bench bench-ceiling bench-latency bench-wan:
	@tools/install-deps build kafka bench
	@$(MAKE) --no-print-directory all
	@ODRAZ=$(abspath $(BUILD))/odraz python3 test/bench/$(subst bench-,,$@).py $(OPTIONS)

fuzz: $(BUILD)-fuzz/build.ninja
	@ninja -C $(BUILD)-fuzz fuzzers
	@python3 test/fuzz/fuzz.py --build $(BUILD)-fuzz --seconds $(SECONDS)

$(BUILD)-fuzz/build.ninja:
	@tools/install-deps build fuzz
	@CC=clang cmake -G Ninja -S . -B $(BUILD)-fuzz -DCMAKE_BUILD_TYPE=$(TYPE) -DODRAZ_SANITIZE=ON -DODRAZ_FUZZ=ON \
		>/dev/null

coverage: $(BUILD)-coverage/build.ninja
	@python3 tools/coverage.py --build $(BUILD)-coverage

$(BUILD)-coverage/build.ninja:
	@tools/install-deps build
	@cmake -G Ninja -S . -B $(BUILD)-coverage -DCMAKE_BUILD_TYPE=$(TYPE) -DODRAZ_COVERAGE=ON >/dev/null

# The model against real Kafka, answer by answer; SEEDS=n generated conversations.
conformance: deps
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	@ninja -C $(BUILD) odraz
	@python3 test/conformance/run.py --seeds $(or $(SEEDS),3)

# Every allocation and every system call of a run fails once; EVERY=n: each n-th.
torture: asan
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	@ninja -C $(BUILD) odraz traffic
	@python3 test/torture/torture.py --program $(BUILD)-asan/odraz_torture --every $(or $(EVERY),1)

install: all
	@cmake --install $(BUILD) --prefix $(DESTDIR)$(PREFIX)

clean:
	@rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-fuzz $(BUILD)-coverage
