# SPDX-License-Identifier: Apache-2.0
# make, make check, make check-long, make sanitize, make install PREFIX= DESTDIR=, make uninstall PREFIX= DESTDIR=
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
LIBEXECDIR ?= $(PREFIX)/libexec
MANDIR ?= $(PREFIX)/share/man
VERSION := 0.1.0
BUILD ?= build

CC ?= gcc
WARN := -Wall -Wextra -Werror -Wshadow -Wmissing-prototypes -Wstrict-prototypes \
	-Wvla -Wwrite-strings -Wpointer-arith -Wformat=2 -Wno-format-nonliteral
CFLAGS ?= -O2 -g
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2
HARDEN_LINK := -Wl,-z,relro,-z,now,-z,noexecstack
ifdef SANITIZE
BUILD := build-$(SANITIZE)
HARDEN :=
CFLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=$(SANITIZE)
LDFLAGS += -fsanitize=$(SANITIZE)
WARN += $(if $(findstring fuzzer,$(SANITIZE)),-Wno-gnu-variable-sized-type-not-at-end)
endif
V_1 :=
V_ := @
Q := $(V_$(V))

# Room by room; lib/README.md is the map.
ROOMS := base stats json crypto cli p11 fleet store member provider replica ha drill
# What speaks to clouds: a library of its own, loaded when a fleet stands in one (libcurl starts slowly).
CLOUD_ROOMS := http azure provider/azure
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -fPIC -pthread $(WARN) $(HARDEN) $(CFLAGS) -Ilib -Icmd \
	-isystem /usr/include/nss -isystem /usr/include/nspr -DHSMCTL_VERSION='"$(VERSION)"' \
	-DHSMCTL_LIBEXECDIR='"$(LIBEXECDIR)/hsmctl"' -DHSMCTL_MODULE='"$(LIBDIR)/pkcs11/hsmctl-pkcs11.so"'
CORE_LIBS := -ljson-c -lssl -lcrypto -ldl -lm -pthread

srcs = $(filter-out $(if $(filter lib/provider,$(1)),lib/provider/azure/%),$(sort $(wildcard $(1)/*.c) $(wildcard $(1)/*/*.c)))
objs = $(patsubst %.c,$(BUILD)/%.o,$(call srcs,$(1)))
ROOM_LIBS := $(foreach r,$(ROOMS),$(BUILD)/lib/$(r).a)
CLOUD_LIBS := $(foreach r,$(CLOUD_ROOMS),$(BUILD)/lib/$(r).a)
GROUPS_ := $(filter-out hsmctl worker,$(notdir $(patsubst %/,%,$(sort $(wildcard cmd/*/)))))
WORKER := $(BUILD)/libexec/hsmctl/hsmctl-worker
PROGRAMS := $(BUILD)/bin/hsmctl $(WORKER) $(patsubst %,$(BUILD)/libexec/hsmctl/hsmctl-%,$(GROUPS_))
CORE := $(BUILD)/lib/hsmctl/libhsmctl.so
CLOUD := $(BUILD)/lib/hsmctl/libhsmctl-cloud.so
MODULE := $(BUILD)/lib/pkcs11/hsmctl-pkcs11.so

all: $(PROGRAMS) $(MODULE) $(CLOUD) $(BUILD)/share/hsmctl/schemas

# A room as an archive: unit tests link just the rooms they may use.
define room_rule
$(BUILD)/lib/$(1).a: $(call objs,lib/$(1))
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach r,$(ROOMS) $(CLOUD_ROOMS) slot,$(eval $(call room_rule,$(r))))

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MD -MP -c $< -o $@

$(CORE): $(foreach r,$(ROOMS),$(call objs,lib/$(r))) lib/hsmctl.map
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -Wl,-soname,libhsmctl.so -Wl,--version-script=lib/hsmctl.map $(HARDEN_LINK) $(LDFLAGS) -o $@ $(filter %.o,$^) $(CORE_LIBS)

$(CLOUD): $(foreach r,$(CLOUD_ROOMS),$(call objs,lib/$(r))) $(CORE) lib/cloud.map
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -Wl,-soname,libhsmctl-cloud.so -Wl,--version-script=lib/cloud.map -Wl,-z,defs $(HARDEN_LINK) $(LDFLAGS) -o $@ $(filter %.o,$^) \
		$(CORE) -lcurl -lm -pthread -Wl,-rpath,'$$ORIGIN'

$(MODULE): $(call objs,lib/slot) $(ROOM_LIBS) lib/slot/slot.map
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -Wl,--version-script=lib/slot/slot.map -Wl,-z,nodelete $(HARDEN_LINK) $(LDFLAGS) -o $@ \
		$(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(CORE_LIBS)

# The dispatcher starts in the time of an empty program: it links libc only.
$(BUILD)/bin/hsmctl: $(call objs,cmd/hsmctl) $(BUILD)/lib/cli/globals.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(HARDEN_LINK) $(LDFLAGS) -o $@ $^

# Nobody types this one. It is started by programs that are setuid, too, for which the loader finds no library beside
# it; and it starts quickly.
$(WORKER): $(call objs,cmd/worker) $(ROOM_LIBS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HARDEN_LINK) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		-Wl,--as-needed $(CORE_LIBS)

# Programs that know every command.
KNOW_ALL := shell help completion
ALL_GROUPS := $(foreach g,$(filter-out $(KNOW_ALL),$(GROUPS_)),$(filter-out %/main.o,$(call objs,cmd/$(g))))
EXTRA_shell := $(ALL_GROUPS) $(filter-out %/main.o,$(call objs,cmd/help) $(call objs,cmd/completion)) $(BUILD)/cmd/groups.o
EXTRA_help := $(ALL_GROUPS) $(filter-out %/main.o,$(call objs,cmd/shell) $(call objs,cmd/completion)) $(BUILD)/cmd/groups.o
EXTRA_completion := $(ALL_GROUPS) $(filter-out %/main.o,$(call objs,cmd/shell) $(call objs,cmd/help)) $(BUILD)/cmd/groups.o
LIBS_shell := -lreadline
LIBS_help := -lreadline
LIBS_completion := -lreadline
# Shims and schemas: the first stand inside the program, the second come from it.
$(BUILD)/cmd/completion/group.o: $(wildcard completions/*)
$(BUILD)/share/hsmctl/schemas: $(BUILD)/libexec/hsmctl/hsmctl-help
	@mkdir -p $@
	$(Q)$< --schemas $@ && touch $@
define program_rule
$(BUILD)/libexec/hsmctl/hsmctl-$(1): $(call objs,cmd/$(1)) $(EXTRA_$(1)) $(BUILD)/cmd/admin.o $(CORE)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $(HARDEN_LINK) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) $(CORE) $(LIBS_$(1)) -pthread -ldl \
		-Wl,-rpath,'$$$$ORIGIN/../../lib/hsmctl'
endef
$(foreach g,$(GROUPS_),$(eval $(call program_rule,$(g))))

# Unit tests: tests/unit/<room>/test_<unit>.c is a program, linked to everything below.
UNIT_SRCS := $(sort $(wildcard tests/unit/*/test_*.c))
UNIT := $(patsubst %.c,$(BUILD)/%,$(UNIT_SRCS))
# The strangers know the PKCS#11 headers and no room: tests/slot and tests/bench load the module with them.
STRANGERS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/slot/*.c tests/bench/*.c))
# SoftHSM with faults on demand, and clocks that are wrong, for processes of the tests.
SHIMS := $(BUILD)/tests/fake/shim.so $(BUILD)/tests/fake/clock.so
# The fake token: an archive for tests that hold it in process, a library for those that load one.
FAKE := $(BUILD)/tests/fake/fake.a
FAKE_LIBRARY := $(BUILD)/tests/fake/token.so
# Histories of writers, syncs and faults over fake tokens.
MODEL := $(BUILD)/tests/model/model
# A stranger of several files.
SEMANTICS := $(BUILD)/tests/slot/semantics/semantics
# A client of appliances that goes past the module.
OUTSIDER := $(BUILD)/tests/fault/outsider
unit: $(UNIT) $(STRANGERS) $(SEMANTICS) $(SHIMS) $(FAKE_LIBRARY) $(MODEL) $(OUTSIDER) $(WORKER) fuzz
$(OUTSIDER): $(BUILD)/tests/fault/outsider.o $(ROOM_LIBS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(ROOM_LIBS) -Wl,--end-group $(CORE_LIBS)
$(MODEL): $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tests/model/*.c))) $(FAKE) $(ROOM_LIBS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(FAKE) $(ROOM_LIBS) -Wl,--end-group $(CORE_LIBS)
$(FAKE): $(patsubst %.c,$(BUILD)/%.o,$(filter-out %/shim.c %/clock.c %/module.c,$(sort $(wildcard tests/fake/*.c))))
	$(Q)rm -f $@ && ar rcs $@ $^
$(FAKE_LIBRARY): $(BUILD)/tests/fake/module.o $(FAKE) $(BUILD)/lib/p11.a $(BUILD)/lib/base.a
	$(Q)$(CC) -shared -Wl,--exclude-libs,ALL -Wl,-Bsymbolic -Wl,-z,nodelete $(LDFLAGS) -o $@ $^ -lcrypto -pthread
# Tests in these folders may use tests/.
$(BUILD)/tests/fake/%.o $(BUILD)/tests/unit/fake/%.o $(BUILD)/tests/unit/replica/%.o $(BUILD)/tests/unit/ha/%.o $(BUILD)/tests/model/%.o $(BUILD)/tests/fuzz/%.o: ALL_CFLAGS += -Itests
$(BUILD)/tests/unit/fake/%: $(BUILD)/tests/unit/fake/%.o $(FAKE) $(ROOM_LIBS) | $(FAKE_LIBRARY)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(FAKE) $(ROOM_LIBS) -Wl,--end-group $(CORE_LIBS) -lcmocka
# A group of fake tokens in process, for what stands above tokens.
RIG := $(BUILD)/tests/unit/replica/rig.o
define rig_rule
$(BUILD)/tests/unit/$(1)/test_%: $(BUILD)/tests/unit/$(1)/test_%.o $(RIG) $(FAKE) $(ROOM_LIBS)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$< $(RIG) -Wl,--start-group $(FAKE) $(ROOM_LIBS) -Wl,--end-group $(CORE_LIBS) -lcmocka
endef
$(foreach r,replica ha,$(eval $(call rig_rule,$(r))))
$(SHIMS): $(BUILD)/%.so: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -shared $(LDFLAGS) -o $@ $< -ldl
$(STRANGERS): $(BUILD)/tests/%: tests/%.c $(wildcard tests/slot/*.h)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< -ldl -pthread
# Its connect() is the module's, too.
$(BUILD)/tests/bench/crowd: LDFLAGS += -Wl,--export-dynamic-symbol=connect
$(SEMANTICS): $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tests/slot/semantics/*.c)))
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -ldl
# What a signature costs through a group, beside the same call made directly, and verify and sync of many keys, beside
# reading the token directly; how long a fleet in Azure takes, beside the longest chain of its resources.
bench: all $(BUILD)/tests/bench/sign $(BUILD)/tests/bench/walk $(BUILD)/tests/slot/writer
	$(Q)BUILD=$(BUILD) ./tests/bench/run
	$(Q)BUILD=$(BUILD) ./tests/bench/azure.py

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(ROOM_LIBS) $(CLOUD_LIBS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(CLOUD_LIBS) $(ROOM_LIBS) -Wl,--end-group -Wl,--as-needed -lcurl $(CORE_LIBS) -lcmocka -lutil
.PRECIOUS: $(BUILD)/tests/unit/%.o

check: all
	./scripts/test

# What reads foreign bytes, given bytes that nobody meant (tests/fuzz/README.md): always under ASan and UBSan, in a build
# folder of its own. FUZZ_SECONDS: for each target in check-long.
FUZZ_TARGETS := call fleet frame guest link memo reply request uri
FUZZ_SECONDS ?= 180
FUZZ := $(addprefix $(BUILD)/tests/fuzz/,$(FUZZ_TARGETS) planted)
FUZZ_LIBS := $(FAKE) $(foreach r,base json crypto p11 fleet member replica,$(BUILD)/lib/$(r).a)
FUZZ_SHARED := $(addprefix $(BUILD)/tests/fuzz/,account.o feed.o shape.o)
FUZZ_ENGINE := $(if $(findstring fuzzer,$(SANITIZE)),-fsanitize=fuzzer,$(BUILD)/tests/fuzz/driver.o)
ifdef SANITIZE
fuzz: $(FUZZ) $(BUILD)/tests/fuzz/seeds
else
fuzz:
	$(Q)$(MAKE) SANITIZE=address,undefined BUILD=$(BUILD)/fuzz fuzz
endif
$(FUZZ): $(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(FUZZ_SHARED) $(filter %.o,$(FUZZ_ENGINE)) $(FUZZ_LIBS)
	@mkdir -p $(@D)
	$(Q)$(CC) -rdynamic $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter -%,$(FUZZ_ENGINE)) -Wl,--start-group $(FUZZ_LIBS) -Wl,--end-group $(CORE_LIBS)
$(BUILD)/tests/fuzz/seeds: $(BUILD)/tests/fuzz/seeds.o $(FUZZ_SHARED) $(FUZZ_LIBS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(FUZZ_LIBS) -Wl,--end-group $(CORE_LIBS)

# Everything again under ASan and UBSan, in a build folder of its own.
sanitize:
	$(MAKE) SANITIZE=address,undefined all unit
	for t in build-address,undefined/tests/unit/*/test_*; do [ -x $$t ] || continue; $$t || exit 1; done

# What is too long for every run: everything under the sanitizers, the fuzzed parsers with many seeds, and something
# wrong at every single request of a fleet's life in Azure; applications that are large to install.
check-long: sanitize check
	for n in $$(seq 20); do $(BUILD)/tests/unit/p11/test_wire || exit 1; done
	for t in $(FUZZ_TARGETS); do \
		$(BUILD)/fuzz/tests/fuzz/$$t --seconds $(FUZZ_SECONDS) --keep $(BUILD)/fuzz tests/fuzz/corpus/$$t || exit 1; \
	done
	BUILD=$(BUILD) ./tests/azure/sweep --all
	$(BUILD)/tests/model/model --histories 100000 --seed 1
	BUILD=$(abspath $(BUILD)) KILL_ROUNDS=100 bats tests/fault/kills.bats
	BUILD=$(abspath $(BUILD)) STREAMS_AT=all bats tests/fault/streams.bats
	BUILD=$(BUILD) ./tests/model/mutants
	./scripts/packages long
	BUILD=$(abspath $(BUILD)) bats tests/long/*.bats

# put MODE,FOLDER,FILES[,NAME]: install them, and write down that they are ours, so that uninstall takes just those.
MANIFEST := $(PREFIX)/share/hsmctl/installed
define put
	install -d "$(DESTDIR)$(2)"
	install -m $(1) $(3) "$(DESTDIR)$(2)/$(4)"
	@printf '%s\n' $(addprefix $(2)/,$(or $(4),$(notdir $(3)))) >>"$(DESTDIR)$(MANIFEST)"

endef
# It names the program where it is installed: made anew each time.
UNIT_FILE := $(BUILD)/share/hsmctl-devices.service
$(UNIT_FILE): examples/hsmctl-devices.service always
	@mkdir -p $(@D)
	$(Q)sed 's,/usr/local/bin,$(PREFIX)/bin,' $< >$@
install: all $(UNIT_FILE)
	install -d "$(DESTDIR)$(dir $(MANIFEST))"
	$(call put,755,$(PREFIX)/bin,$(BUILD)/bin/hsmctl)
	$(call put,755,$(LIBEXECDIR)/hsmctl,$(filter-out $(BUILD)/bin/%,$(PROGRAMS)))
	$(call put,644,$(LIBDIR)/hsmctl,$(CORE) $(CLOUD))
	$(call put,644,$(LIBDIR)/pkcs11,$(MODULE))
	$(call put,644,$(MANDIR)/man1,$(wildcard man/*.1))
	$(call put,644,$(PREFIX)/share/hsmctl/examples,$(wildcard examples/*.json))
	$(call put,644,$(PREFIX)/share/hsmctl/schemas,$(wildcard $(BUILD)/share/hsmctl/schemas/*.json))
	$(call put,644,$(PREFIX)/share/bash-completion/completions,completions/hsmctl.bash,hsmctl)
	$(call put,644,$(PREFIX)/share/zsh/site-functions,completions/hsmctl.zsh,_hsmctl)
	$(call put,644,$(PREFIX)/share/fish/vendor_completions.d,completions/hsmctl.fish)
	$(call put,644,$(PREFIX)/lib/systemd/system,$(UNIT_FILE))

OWN_FOLDERS := $(LIBEXECDIR)/hsmctl $(LIBDIR)/hsmctl $(PREFIX)/share/hsmctl/examples $(PREFIX)/share/hsmctl/schemas $(PREFIX)/share/hsmctl
uninstall:
	@[ -f "$(DESTDIR)$(MANIFEST)" ] || { echo "nothing was installed there: no $(DESTDIR)$(MANIFEST)" >&2; exit 1; }
	while read -r file; do rm -f "$(DESTDIR)$$file" || exit; done <"$(DESTDIR)$(MANIFEST)"
	rm -f "$(DESTDIR)$(MANIFEST)"
	for folder in $(OWN_FOLDERS); do \
		[ ! -d "$(DESTDIR)$$folder" ] || rmdir --ignore-fail-on-non-empty "$(DESTDIR)$$folder" || exit; \
	done

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

clean:
	rm -rf build build-*

.PHONY: all unit bench fuzz check check-long sanitize install uninstall clean always
