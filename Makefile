# The few words everybody types; HACKING.md explains each.
BUILD ?= build
TYPE  ?= RelWithDebInfo

.PHONY: all
all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@cmake -G Ninja -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=$(TYPE) >/dev/null
