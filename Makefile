# SPDX-License-Identifier: GPL-2.0
#
# nf_flow_qos.ko and ftqos(8). "make help" lists the targets.

VERSION := $(shell cat VERSION)
DESTDIR ?=
PREFIX ?= /usr/local
MANDIR ?= $(PREFIX)/share/man
KERNELS ?= 6.1 6.12
MODDIR ?= updates

# The kernel to build for: the running one's headers, else the newest installed
ifndef KDIR
KDIR := $(wildcard /lib/modules/$(shell uname -r)/build)
ifeq ($(KDIR),)
KDIR := $(shell ls -d /lib/modules/*/build /usr/src/linux-headers-*-amd64 \
	2> /dev/null | sort -V -t/ -k4 | tail -n 1)
endif
endif

export VERSION KERNELS

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
	@echo '  check      lint, unit tests, selftests in QEMU (KERNELS)'
	@echo '  lint       checkpatch, shellcheck, sparse'
	@echo '  mutants    do the selftests notice broken code?'
	@echo
	@echo '  KDIR=$(KDIR)'
	@echo '  PREFIX=$(PREFIX) KERNELS="$(KERNELS)"'
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

install: module tools install-tools
	$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_DIR=$(MODDIR) \
		$(if $(DESTDIR),INSTALL_MOD_PATH=$(DESTDIR) DEPMOD=true) \
		modules_install

install-tools:
	$(MAKE) -C tools install DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) \
		MANDIR=$(MANDIR)

uninstall: kdir
	release=$$($(MAKE) -s -C $(KDIR) kernelrelease) && \
	find $(DESTDIR)/lib/modules/$$release/$(MODDIR) \
		-name 'nf_flow_qos.ko*' -delete && \
	$(if $(DESTDIR),:,depmod $$release)
	rm -f $(DESTDIR)$(PREFIX)/sbin/ftqos \
		$(DESTDIR)$(MANDIR)/man8/ftqos.8
	rm -rf $(DESTDIR)$(PREFIX)/share/ftqos

clean:
	-[ ! -e "$(KDIR)/Makefile" ] || \
		$(MAKE) -C $(KDIR) M=$(CURDIR) clean
	$(MAKE) -C tools clean

check:
	@selftests/check.sh

lint:
	@selftests/lint.sh

demo:
	@selftests/demo.sh

facts:
	@selftests/facts.sh

mutants:
	@selftests/mutants/run.sh

.PHONY: all help kdir module tools install install-tools uninstall clean \
	check lint demo facts mutants
