#!/usr/bin/env python3
"""Brings the jars of a real Apache Kafka from Maven Central into a cache folder, once, and says what it does."""

import fcntl
import os
import re
import shutil
import subprocess
import sys

VERSIONS = ("4.3.1", "3.9.1")
CACHE = os.environ.get("ODRAZ_KAFKA_CACHE", os.path.expanduser("~/.cache/odraz-kafka"))
BROKER = ("kafka_2.13",)
ARTIFACTS = (*BROKER, "kafka-tools", "connect-mirror", "connect-runtime")
# Kafka's poms leave the logging backend to its distribution: before 4 it does not start without one, 4.x says nothing.
LOGGING = {"2": ("ch.qos.reload4j", "reload4j", "1.2.25"), "3": ("ch.qos.reload4j", "reload4j", "1.2.25"),
           "4": ("org.slf4j", "slf4j-simple", "1.7.36")}


def artifacts(version):
    """Of the others we only want the brokers."""
    return ARTIFACTS if version in VERSIONS else BROKER


def folder(version):
    """The cache folder of a version."""
    return os.path.join(CACHE, "kafka-" + version)


def pom(version):
    """A project with nothing but dependencies: Maven resolves the rest."""
    wanted = [("org.apache.kafka", name, version) for name in artifacts(version)] + [LOGGING[version[0]]]
    dependencies = "".join(
        f"<dependency><groupId>{g}</groupId><artifactId>{a}</artifactId><version>{v}</version></dependency>"
        for g, a, v in wanted)
    return ('<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
            "<groupId>odraz</groupId><artifactId>jars</artifactId><version>1</version>"
            f"<dependencies>{dependencies}</dependencies></project>")


def complete(libs, version):
    """An interrupted run leaves no libs folder at all (it is renamed into place), a foreign one may lack our jars."""
    wanted = [f"{name}-{version}.jar" for name in artifacts(version)] + ["%s-%s.jar" % LOGGING[version[0]][1:]]
    return all(os.path.isfile(os.path.join(libs, name)) for name in wanted)


def download(version, say):
    """Copies the jars into a folder of its own and renames it when everything is there. The caller holds the lock."""
    home = folder(version)
    work = os.path.join(home, "incoming")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    with open(os.path.join(work, "pom.xml"), "w", encoding="utf-8") as f:
        f.write(pom(version))
    say(f"Kafka {version}: bringing the jars from Maven Central into {home} (some 100 MB, once)")
    command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=libs"]
    run = subprocess.run(command, cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    incoming = os.path.join(work, "libs")
    if run.returncode != 0 or not complete(incoming, version):
        shutil.rmtree(work, ignore_errors=True)
        sys.exit(f"Kafka {version}: Maven could not bring the jars:\n{(run.stdout + run.stderr)[-2000:]}")
    shutil.rmtree(os.path.join(home, "libs"), ignore_errors=True)
    os.rename(incoming, os.path.join(home, "libs"))
    shutil.rmtree(work, ignore_errors=True)


def jars(version, say=print):
    """The folder with the jars of `version`, downloaded when it is not there; one of several callers does it."""
    if not re.fullmatch(r"[234]\.\d+\.\d+", version):
        sys.exit(f"Kafka {version}: expected a version such as {VERSIONS[0]}")
    libs = os.path.join(folder(version), "libs")
    if complete(libs, version):
        return libs
    if shutil.which("mvn") is None:
        sys.exit("mvn is missing: apt-get install maven")
    os.makedirs(folder(version), exist_ok=True)
    with open(os.path.join(folder(version), "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete(libs, version):
            download(version, say)
    return libs


if __name__ == "__main__":
    for wanted_version in sys.argv[1:] or VERSIONS[:1]:
        print(f"Kafka {wanted_version}: jars are in {jars(wanted_version)}")
