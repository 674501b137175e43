# make run     installs what is missing, builds, starts the server: make run ARGS="--reactors 2"
# make test    installs what is missing, runs every check and every test
# make lint    format, clippy, the list of the public API, documentation
# make bench   the cost of a delivery against a bare send() loop, messages from one server to another, and criterion's
#              benches
# make flood   100,000 connections and a broadcast to all of them: make flood REACTORS=6 FLOOD="hold …"
# make install   the program, its units, man page and completions: make install PREFIX=/usr/local DESTDIR=./package
# make uninstall
# make dist      all of that in a tarball, with a script that installs it, in target/dist
# make soak    20 minutes of comings and goings, after which the server may hold no more than before: make soak SOAK="--seconds 60"
# make tuning  what settings of the kernel do, each in a network namespace of its own

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
RELEASE := $(TARGET)/release
# What is installed, and where.
PROGRAM ?= $(RELEASE)/fanfare
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR ?=
STAGE := $(TARGET)/stage
ARGS ?=
REACTORS ?= 6
FLOOD ?= hold --connections 100000 --seconds 10 --broadcast
COMPARE ?= compare
SOAK ?= --seconds 1200
TUNING ?=

# What tests the programs from outside, after they were built. Each ends with a status other than 0 if it fails,
# and finds the release programs in $(RELEASE).
SUITES := "tests/clients/run.sh" "tools/autobahn/run.sh quick" "$(RELEASE)/fanfare-flood soak --seconds 30 --at-most 10"

# The examples that conformance suites drive. The others are what newcomers read: cargo test builds them, unoptimized;
# optimized, each would take its 20 seconds.
CONFORMANCE := $(patsubst examples/%.rs,--example %,$(wildcard examples/*.rs))

.PHONY: run build test lint unit suites bench flood soak tuning stage install uninstall dist

run:
	@tools/setup.sh run
	$(CARGO) build --locked --release --bin fanfare
	exec $(RELEASE)/fanfare $(ARGS)

build:
	$(CARGO) build --locked --release --workspace --bins $(CONFORMANCE)

# In the order in which they fail soonest; never side by side, they measure and they share the machine.
test:
	@tools/setup.sh test
	$(MAKE) lint
	$(MAKE) unit
	$(MAKE) build
	$(MAKE) suites

# The list comes before the documentation: rustdoc, asked for JSON, removes its pages.
lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --all-features -- -D warnings
	$(CARGO) check --locked --lib --no-default-features
	$(CARGO) check --locked --lib --no-default-features --features redis
	tools/public_api/check.sh
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --all-features --no-deps

unit:
	$(CARGO) test --locked --workspace --all-features

suites:
	@for suite in $(SUITES); do \
		if [ -x "$${suite%% *}" ]; then \
			echo "== $$suite"; \
			$$suite || { echo "== $$suite failed" >&2; exit 1; }; \
		else \
			echo "== $$suite is not there: SKIPPED" >&2; \
		fi; \
	done

bench: build
	$(CARGO) bench --locked
	$(RELEASE)/fanfare-flood $(COMPARE)
	tools/flood/cluster.sh $(RELEASE) --at-least 50000

flood: build
	tools/flood/run.sh $(RELEASE) $(REACTORS) $(FLOOD)

# A program that is there is taken as it is: root installs what somebody else has built.
$(RELEASE)/fanfare:
	@tools/setup.sh run
	$(CARGO) build --locked --release --bin fanfare

stage: $(PROGRAM)
	@tools/stage.sh $(PROGRAM) $(STAGE)

install: stage
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" SYSCONFDIR="$(SYSCONFDIR)" $(STAGE)/install.sh install

uninstall: stage
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" SYSCONFDIR="$(SYSCONFDIR)" $(STAGE)/install.sh uninstall

dist: stage
	@name=fanfare-$$($(PROGRAM) --version | cut -d ' ' -f 2)-$$(uname -m)-linux && mkdir -p $(TARGET)/dist && \
		tar -C $(TARGET) --transform "s,^stage,$$name," --owner=0 --group=0 -czf $(TARGET)/dist/$$name.tar.gz stage && \
		echo "$(TARGET)/dist/$$name.tar.gz"

soak: build
	$(RELEASE)/fanfare-flood soak $(SOAK)

tuning: build
	tools/flood/tuning.sh $(RELEASE) $(TUNING)
