# proxyhop.  make deps installs what is missing; see README.

PREFIX	?= /usr/local
BINDIR	?= $(PREFIX)/bin
MANDIR	?= $(PREFIX)/share/man
DOCDIR	?= $(PREFIX)/share/doc/proxyhop
DOCS	 = README LICENSE CHANGES ssh_config.example
BASHDIR	?= $(PREFIX)/share/bash-completion/completions
ZSHDIR	?= $(PREFIX)/share/zsh/site-functions
FISHDIR	?= $(PREFIX)/share/fish/vendor_completions.d
CFLAGS	?= -O2 -g
WARN	 = -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes
PKGS	 = libssh libbsd-overlay libmd
PROG	 = proxyhop
O	 = build
# linux or posix: which lib/base/os_*.c
OS	:= $(if $(filter Linux,$(shell uname)),linux,posix)

# looked up when used, not before: make deps may have to install pkg-config
FLAGS	 = -Ilib -std=c11 -D_GNU_SOURCE -DLIBBSD_OPENBSD_VIS $(WARN) \
	   $(shell pkg-config --cflags $(PKGS))
LIBS	 = $(shell pkg-config --libs $(PKGS))

HEADERS	 = $(wildcard lib/*/*.h)
SRCS	 = $(filter-out lib/base/os_%,$(wildcard lib/*/*.c)) \
	   lib/base/os_$(OS).c
OBJS	 = $(patsubst lib/%.c,$(O)/%.o,$(SRCS))
TESTS	 = $(patsubst tests/%.c,$(O)/%,$(wildcard tests/test_*.c))

all: $(PROG) completions

$(PROG): $(O)/proxyhop.o $(OBJS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(O)/proxyhop.o $(OBJS) $(LIBS)

$(O)/proxyhop.o: proxyhop.c $(HEADERS)
	@mkdir -p $(O)
	$(CC) $(CPPFLAGS) $(FLAGS) $(CFLAGS) -c -o $@ proxyhop.c

$(O)/%.o: lib/%.c $(HEADERS)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(FLAGS) $(CFLAGS) -c -o $@ $<

$(O)/test_%: tests/test_%.c $(OBJS) $(HEADERS)
	$(CC) $(CPPFLAGS) $(FLAGS) $(shell pkg-config --cflags criterion) \
	    -Wno-pedantic $(CFLAGS) $(LDFLAGS) -o $@ $< $(OBJS) \
	    $(LIBS) $(shell pkg-config --libs criterion)

# seconds, no network
test: $(PROG) $(TESTS)
	@tests/units $(TESTS)

FUZZERS	 = fuzz_hop fuzz_conf fuzz_ask fuzz_agent fuzz_known fuzz_relay \
	   fuzz_libssh fuzz_cert fuzz_mux fuzz_binding
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZED	 = -g -O1 $(SANITIZE)
LONGER	 = -len_control=0 -max_len=4096 -max_total_time=60 -print_final_stats=1

objects: $(OBJS)

# a minute for each, from its seeds on, and what crashes is left in build/; then
# some thousand gateways that say anything
fuzz:
	@$(MAKE) -s O=build/fuzz CC=clang \
	    CFLAGS="$(FUZZED) -fsanitize=fuzzer-no-link" objects
	@for f in $(FUZZERS); do \
	    clang $(FLAGS) $(FUZZED) -fsanitize=fuzzer -o build/fuzz/$$f \
	    tests/fuzz/$$f.c build/fuzz/*/*.o $(LIBS) && \
	    mkdir -p build/fuzz/$$f.corpus && \
	    build/fuzz/$$f $(LONGER) \
	    -artifact_prefix=build/fuzz/ build/fuzz/$$f.corpus \
	    tests/fuzz/$${f#fuzz_} || exit 1; done
	@$(MAKE) -s O=build/asan PROG=build/asan/proxyhop CC=gcc \
	    CFLAGS="$(FUZZED) -fno-omit-frame-pointer" all
	@COUNT=3000 SEED=$$(date +%s) TEST_MEM_FACTOR=20 TEST_DEADLINE=7200 \
	    LSAN_OPTIONS="suppressions=$$PWD/tests/lsan.supp:print_suppressions=0" \
	    PROXYHOP=build/asan/proxyhop tests/run 90-strangers

# the seeds, and what was found once, under the sanitizers
replay:
	@$(MAKE) -s O=build/replay CFLAGS="$(FUZZED)" objects
	@for f in $(FUZZERS); do \
	    $(CC) $(FLAGS) $(FUZZED) -o build/replay/$$f tests/fuzz/replay.c \
	    tests/fuzz/$$f.c build/replay/*/*.o $(LIBS) && \
	    build/replay/$$f tests/fuzz/$${f#fuzz_}/* || exit 1; done

# everything, on real servers
check:
	@tests/check

# who calls whom; fails on a call against the order of the folders
layers: $(PROG)
	@tests/layers $(O)

# beside ssh -J and others, some 20 minutes; the result is kept
bench: $(PROG)
	@tests/bench/bench

# the same, less of it, in two
bench-quick: $(PROG)
	@tests/bench/bench --quick

demo: $(PROG)
	@tests/demo

deps:
	@tests/deps

# what it takes to build, and nothing to test with
deps-build:
	@tests/deps --build

COMPLETE = $(addprefix $(O)/completions/proxyhop.,bash zsh fish)

completions: $(COMPLETE)

# each with the lists that all three have
$(O)/completions/%: lib/completions/% lib/completions/hosts.sh \
    lib/completions/keywords
	@mkdir -p $(@D)
	sed -e '/^@HOSTS@$$/{r lib/completions/hosts.sh' -e 'd;}' \
	    -e '/^@KEYWORDS@$$/{r lib/completions/keywords' -e 'd;}' $< >$@

install: $(PROG) $(COMPLETE)
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man1 \
	    $(DESTDIR)$(DOCDIR) $(DESTDIR)$(BASHDIR) \
	    $(DESTDIR)$(ZSHDIR) $(DESTDIR)$(FISHDIR)
	install -m 755 $(PROG) $(DESTDIR)$(BINDIR)/proxyhop
	install -m 644 proxyhop.1 $(DESTDIR)$(MANDIR)/man1/proxyhop.1
	install -m 644 $(DOCS) $(DESTDIR)$(DOCDIR)
	install -m 644 $(O)/completions/proxyhop.bash \
	    $(DESTDIR)$(BASHDIR)/proxyhop
	install -m 644 $(O)/completions/proxyhop.zsh \
	    $(DESTDIR)$(ZSHDIR)/_proxyhop
	install -m 644 $(O)/completions/proxyhop.fish $(DESTDIR)$(FISHDIR)

uninstall:
	rm -f $(DESTDIR)$(BINDIR)/proxyhop \
	    $(DESTDIR)$(MANDIR)/man1/proxyhop.1 \
	    $(addprefix $(DESTDIR)$(DOCDIR)/,$(DOCS)) \
	    $(DESTDIR)$(BASHDIR)/proxyhop $(DESTDIR)$(ZSHDIR)/_proxyhop \
	    $(DESTDIR)$(FISHDIR)/proxyhop.fish
	rmdir $(DESTDIR)$(DOCDIR) 2>/dev/null || :

# one file without shared libraries, of what Debian's source packages have
static:
	@lib/package/static build/static/libs
	@export PKG_CONFIG_PATH= PKG_CONFIG_LIBDIR=$$PWD/build/static/libs/lib/pkgconfig; \
	parts=$$(cat build/static/libs/versions) && \
	$(MAKE) -s O=build/static PROG=build/static/proxyhop \
	    CC=$$PWD/build/static/libs/bin/musl-gcc LDFLAGS="-static -s" \
	    CPPFLAGS="-DPROXYHOP_PARTS='\"linked with $$parts\\n\"'" \
	    LIBS="-L$$PWD/build/static/libs/lib -lssh -lcrypto -lz -lbsd -lmd" all

# not part of check: it fetches sources and compiles them for minutes
check-static: static
	@PROXYHOP=$$PWD/build/static/proxyhop tests/run static 01-carry \
	    08-login 09-failures 11-sources

# the release's tar file, of what is committed
VERSION	 = $(shell sed -n 's/.*PROXYHOP_VERSION[^"]*"\(.*\)".*/\1/p' \
	   lib/base/base.h)
RELEASE	 = proxyhop-$(VERSION)

dist:
	@test -z "$$(git status --porcelain)" || { \
	    echo "dist: the tree has changes that are not committed" >&2; exit 1; }
	@mkdir -p build
	git archive --prefix=$(RELEASE)/ HEAD >build/$(RELEASE).tar
	gzip -9nf build/$(RELEASE).tar

# of the same, in build/, for dpkg -i and apt-get install
deb: dist
	@lib/package/deb build/$(RELEASE).tar.gz

clean:
	rm -rf proxyhop build

.PHONY: all objects test fuzz replay check layers bench bench-quick demo deps \
	deps-build static check-static completions install uninstall dist deb clean
# deps first, then what needs them
.NOTPARALLEL:
