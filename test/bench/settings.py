"""How brokers and MirrorMaker are run when they are measured: as in production, not as in our tests."""

VERSION = "4.3.1"
BROKER_HEAP = "1g:1g"  # what kafka-server-start.sh gives: left to itself a heap begins small, and pauses often
BROKER = {"log.segment.delete.delay.ms": 500, "num.network.threads": 3, "num.io.threads": 8}  # Kafka's defaults
# What kafka-run-class.sh gives.
JAVA = ["-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
        "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true", "-XX:-UsePerfData"]
