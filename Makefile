# SPDX-License-Identifier: GPL-2.0
#
# nf_flow_qos.ko and ftqos(8). "make help" lists the targets.

VERSION := $(shell cat VERSION)
DESTDIR ?=
PREFIX ?= /usr/local
MODDIR ?= updates

# The kernel to build for: the running one's headers, else the newest installed
ifndef KDIR
KDIR := $(wildcard /lib/modules/$(shell uname -r)/build)
ifeq ($(KDIR),)
KDIR := $(shell ls -d /lib/modules/*/build /usr/src/linux-headers-*-amd64 \
	2> /dev/null | sort -V -t/ -k4 | tail -n 1)
endif
endif

# Those of the scripts by default
ifdef KERNELS
export KERNELS
endif

all: module tools

help:
	@echo 'ftqos $(VERSION): QoS for packets of offloaded flows'
	@echo
	@echo '  all        module and command (default)'
	@echo '  module     kmod/nf_flow_qos.ko for KDIR'
	@echo '  tools      tools/ftqos'
	@echo '  install    module, command, man page, presets (DESTDIR, PREFIX)'
	@echo '  uninstall  remove them'
	@echo '  clean      remove what was built'
	@echo '  demo       before and after on stock Debian kernels, in QEMU'
	@echo '  facts      measure what offload breaks, in QEMU'
	@echo '  check      lint, analyze, unit tests, selftests in QEMU (KERNELS, or ARCH)'
	@echo '  check-debug the same on kernels that look for mistakes (KERNELS; CORE=1: as CI)'
	@echo '  lint       checkpatch, shellcheck, sparse'
	@echo '  analyze    what gcc, clang, cppcheck and Coccinelle find in the code'
	@echo '  mutants    do the selftests notice broken code?'
	@echo '  fuzz       parsers of packets, text and replies on made up input (RUNS)'
	@echo '  fuzz-family made up messages to the netlink family, in QEMU (RUNS, KERNELS)'
	@echo '  stress     everything at once, for TIME seconds on each of KERNELS'
	@echo '  nomem      each allocation fails once, on kernels of our own'
	@echo '  security   what users, containers and senders can do (KERNELS)'
	@echo '  bench      nanoseconds a packet costs, beside what else does the same'
	@echo '  bench-insn instructions a packet costs, compared with the baseline'
	@echo '  sequence   are packets lost, or their order changed? ten million of them'
	@echo
	@echo '  KDIR=$(KDIR)'
	@echo '  PREFIX=$(PREFIX)'
	@echo '  KERNELS="6.1 6.12 newest 6.18 s390x own own-noegress", or 7.3, 6.1-rt, 7.3-rt ...'
	@echo '  ARCH=arm64, s390x or armhf'
	@echo '  One selftest: selftests/qemu/run -k 6.1 -- smoke.sh'

kdir:
	@if [ ! -e "$(KDIR)/Makefile" ]; then \
		echo 'No kernel headers$(if $(KDIR), in $(KDIR),); install them or set KDIR:'; \
		echo '    apt-get install -y linux-headers-amd64'; \
		exit 1; \
	fi >&2
	@echo "Building for $(KDIR)"

module: kdir
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

tools:
	$(MAKE) -C tools all

# Not modules_install: it signs, and leaves out depmod where there is no
# System.map, as in Debian's headers
release = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' \
	$(KDIR)/include/generated/utsrelease.h)
moddir = $(DESTDIR)/lib/modules/$(release)/$(MODDIR)

install: module tools
	install -D -m 644 kmod/nf_flow_qos.ko $(moddir)/nf_flow_qos.ko
	$(if $(DESTDIR),,depmod $(release))
	$(MAKE) -C tools install $(install_vars)

uninstall: kdir
	rm -f $(moddir)/nf_flow_qos.ko
	$(if $(DESTDIR),,depmod $(release))
	$(MAKE) -C tools uninstall $(install_vars)

install_vars = DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)

clean:
	[ ! -e "$(KDIR)/Makefile" ] || \
		$(MAKE) -C $(KDIR) M=$(CURDIR) clean
	$(MAKE) -C tools clean
	$(MAKE) -C selftests/fuzz clean
	$(MAKE) -C selftests/family clean

check:
	@selftests/$(if $(ARCH),check_arch.sh $(ARCH),check.sh)

check-debug:
	@selftests/check_debug.sh $(if $(CORE),-c)

lint:
	@selftests/lint.sh

analyze:
	@selftests/analyze.sh

demo:
	@selftests/qemu/demo

facts:
	@selftests/qemu/facts

mutants:
	@selftests/mutants/run.sh

ifdef RUNS
export RUNS
endif
fuzz:
	@selftests/fuzz/run

fuzz-family:
	@selftests/family/run

# A script of many seconds is allowed some more, to begin and to end
TIME ?= 120
stress:
	@set -e; for k in $(or $(KERNELS),6.1 newest own); do \
		selftests/qemu/run -q -k $$k -t $$(($(TIME) + 400)) \
			-- stress.sh $(TIME); \
	done

nomem:
	@set -e; for k in $(or $(KERNELS),own own-noegress); do \
		selftests/qemu/run -q -k $$k -t 3600 -- nomem.sh all; \
	done

security:
	@set -e; for k in $(or $(KERNELS),6.1 newest); do \
		selftests/qemu/run -q -k $$k security.sh; \
	done

ifdef BENCH_KERNEL
export BENCH_KERNEL
endif
ifdef BENCH_ONLY
export BENCH_ONLY
endif
ifdef BENCH_QUICK
export BENCH_QUICK
endif
ifdef RECORD
export RECORD
endif
ifdef JSON
export JSON
endif
bench:
	@selftests/bench/bench

bench-insn:
	@selftests/bench/insn

ifdef PACKETS
export PACKETS
endif
sequence:
	@selftests/bench/sequence

.PHONY: all help kdir module tools install uninstall clean \
	check check-debug lint analyze demo facts mutants fuzz fuzz-family stress nomem \
	security bench bench-insn sequence
