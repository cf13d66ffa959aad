#!/usr/bin/env python3
"""plan.py: does proxyhop -G say what the installed ssh would do?

usage: plan.py check DIR OUT [FILE ...]
       plan.py voice DIR OUT [FILE ...]
       plan.py twin DIR OUT [FILE ...]
       plan.py show FILE

Nothing here is a stored answer: what is expected is asked of ssh -G each time,
hop by hop, as ssh starts its own jump hosts, and walked as ssh walks.

check	compares proxyhop -G with it, for every DIR/*.conf or those named
voice	compares the expansion of names done here with what ssh -v tries
twin	doctors each expected answer in every way, and must notice each
show	prints what is expected for one file

One line a file goes to stdout: "ok NAME REMARK" or "FAIL NAME REMARK"; what is
wrong goes to OUT/NAME.diff.

The first lines of a file say how it is used:

	# args: -J gw1,gw2 -o gw2:User=ops
	# to: db1 5432			the target; without it, target.invalid 22
	# env: NAME=value		for both programs
	# names: a b			words the refusal must hold
	# no -F				the arguments say which file

Environment: PROXYHOP, PROXYHOP_WRAP, TEST_TIME_FACTOR as in harness.sh, SSH.
"""

import concurrent.futures
import functools
import getopt
import glob
import hashlib
import os
import pwd
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading

SSH = shutil.which(os.environ.get("SSH", "ssh"))
FACTOR = int(os.environ.get("TEST_TIME_FACTOR", "1"))
MAX_HOPS = 16
LOGIN_TIMEOUT = "180"
ALIVE_INTERVAL = "30"
ALIVE_COUNT = "30"
HOME = pwd.getpwuid(os.getuid()).pw_dir

# What proxyhop -G prints of a hop; all else ssh -G says is not its business.
KEYS = """
    hostname user port addressfamily bindaddress bindinterface connecttimeout
    controlmaster controlpath controlpersist
    connectionattempts serveraliveinterval serveralivecountmax tcpkeepalive
    ciphers macs kexalgorithms hostkeyalgorithms pubkeyacceptedalgorithms
    requiredrsasize casignaturealgorithms identityfile certificatefile
    identityagent identitiesonly
    userknownhostsfile globalknownhostsfile revokedhostkeys hostkeyalias
    checkhostip stricthostkeychecking hashknownhosts hostbasedauthentication
    preferredauthentications
    pubkeyauthentication kbdinteractiveauthentication passwordauthentication
    numberofpasswordprompts nohostauthenticationforlocalhost batchmode
    compression rekeylimit loglevel logintimeout addkeystoagent
    gssapiauthentication gssapiclientidentity gssapikeyexchange
    gssapiserveridentity
    gssapitrustdns
    proxycommand proxyusefdpass pkcs11provider securitykeyprovider knownhostscommand
    verifyhostkeydns
""".split()


class Refused(Exception):
    """No plan: the line about it must hold one of the lists of words whole."""

    def __init__(self, why, *words):
        super().__init__(why)
        self.words = list(words)


# ---- the case --------------------------------------------------------------

class Option:
    """One -o, -i, -4 or -6, as ssh takes it, and the hop it is for."""

    def __init__(self, flag, value):
        self.hop = None
        self.typed = value
        self.argv = [flag] if value is None else [flag, value]
        if flag == "-o":
            keyword = re.match(r"[^= \t]*", value).group()
            if ":" in keyword:
                self.hop = keyword.rsplit(":", 1)[0]
                self.argv[1] = value[len(self.hop) + 1:]

    def concerns(self, hop, number):
        return self.hop in (None, hop.name, hop.spec) or (
            number is not None and self.hop == str(number))


class Case:
    """A file and how it is used."""

    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path)[:-len(".conf")]
        self.words, self.to, self.env, self.names = None, None, {}, []
        self.with_file = True
        with open(path, errors="surrogateescape") as file:
            for line in file:
                if not line.startswith("# "):
                    break
                self.header(line[2:].rstrip("\n"))
        if self.words is None:
            sys.exit(f"{path}: no line '# args:'")
        self.to = self.to or ["target.invalid", "22"]
        self.lock = threading.Lock()
        self.answers = {}
        self.options()

    def header(self, line):
        key, _, value = line.partition(":")
        if key == "args":
            self.words = shlex.split(value)
        elif key == "to":
            self.to = shlex.split(value)
        elif key == "env":
            self.env.update(w.split("=", 1) for w in shlex.split(value))
        elif key == "names":
            self.names = shlex.split(value)
        elif key == "no -F":
            self.with_file = False

    def options(self):
        self.file = self.path if self.with_file else None
        self.jump, self.own, opts = None, None, []
        flags, rest = getopt.getopt(self.words, "46F:i:J:o:r:v")
        if rest:
            sys.exit(f"{self.path}: what is '{rest[0]}'?")
        for flag, value in flags:
            if flag == "-F":
                self.file = value
            elif flag == "-J":
                self.jump = value
            elif flag == "-r":
                self.own = value
            elif flag != "-v":
                opts.append(Option(flag, value or None))
        self.opts = opts

    def environment(self, **more):
        """ssh sees the mark proxyhop sets for what it starts."""
        env = dict(os.environ, RES_OPTIONS="timeout:1 attempts:1")
        env.pop("PROXYHOP", None)
        env.update(self.env, **more)
        return env

    def proxyhop(self):
        """The command line that is under test."""
        argv = shlex.split(os.environ.get("PROXYHOP_WRAP", ""))
        argv += [os.environ["PROXYHOP"], "-G"]
        if self.own is None:
            argv += ["-r", "none"]
        if self.with_file:
            argv += ["-F", self.path]
        return argv + self.words + ["--"] + self.to


def run(argv, **how):
    """Status, stdout, stderr, without a terminal to ask on."""
    limit = how.pop("limit", 20) * FACTOR
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, timeout=limit,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          start_new_session=True, **how)
    return (done.returncode, done.stdout.decode(errors="surrogateescape"),
            done.stderr.decode(errors="surrogateescape"))


# ---- what ssh says ---------------------------------------------------------

class Hop:
    """A jump host as ssh itself takes it apart."""

    def __init__(self, spec, last, earlier):
        self.spec = spec            # as typed
        self.nesting = 0            # of the ProxyJump it is from
        self.earlier = earlier      # the list before it, for -J, or None
        user, at, rest = last.rpartition("@")
        self.user = user if at else None
        match = re.fullmatch(r"\[(.*)\](?::(\d+))?|([^:]*)(?::(\d+))?", rest)
        self.name = match[1] if match[1] is not None else match[3]
        self.port = match[2] or match[4]

    def forward(self):
        return f"[{self.name}]:{self.port or 22}"


def visible(line):
    """Control characters as vis(3) shows them."""
    return re.sub(r"[\x00-\x1f\x7f]",
                  lambda c: "\\%03o" % ord(c.group()), line)


class Answer:
    """What ssh -G printed, or why it did not."""

    def __init__(self, status, out, err):
        self.status = status
        self.words = [visible(line) for line in re.split(r"[\r\n]+", err)
                      if line and not line.startswith("debug")]
        self.values = {}
        for line in out.splitlines():
            key, _, value = line.partition(" ")
            self.values.setdefault(key.lower(), []).append(value)

    def refused(self):
        return self.status != 0 or "hostname" not in self.values

    def get(self, key):
        return self.values.get(key, [None])[0]


def ask(case, name, *more):
    """ssh -G with these words before the name; each question once."""
    argv = [SSH, "-G", *more, "--", name]
    key = tuple(argv)
    if key not in case.answers:
        status, out, err = run(argv, env=case.environment(PROXYHOP="1"))
        case.answers[key] = Answer(status, out, err)
    return case.answers[key]


def file_words(case):
    return ["-F", case.file] if case.file is not None else []


def hop_words(case, hop, number, forward, earlier):
    """The words ssh would be started with for this hop."""
    words = ["-W", forward, *file_words(case)]
    if hop.user is not None:
        words += ["-l", hop.user]
    if hop.port is not None:
        words += ["-p", hop.port]
    if earlier is not None:
        words += ["-J", earlier]
    for option in case.opts:
        if option.concerns(hop, number):
            words += option.argv
    return words


def split(case, jumps):
    """The hops of a list: ssh says how it reads the last one of each part."""
    specs = jumps.split(",")
    hops = []
    for i in range(len(specs)):
        answer = ask(case, "nobody.invalid", "-W", "x:1", "-F", "none", "-J",
                     ",".join(specs[:i + 1]))
        if answer.refused():
            raise Refused(f"no list of jump hosts: {jumps}")
        jump = answer.get("proxyjump")
        if jump is None:            # none: straight from here on
            hops = []
            continue
        last = jump.rsplit(",", 1)[-1]
        hops.append(Hop(specs[i].strip(), last, ",".join(specs[:i]) or None))
    return hops


def refusal(answers):
    """ssh's words; a circle of one we may have seen before ssh has."""
    words = [answer.words for answer in answers]
    for answer in answers:
        for name in re.findall(r"jumphost loop via (\S+)",
                               " ".join(answer.words)):
            words.append([f"{name} -> "])
    return Refused("ssh refuses", *words)


def ask_all(case, hops, numbered):
    """All hops, each with what it is asked to forward to."""
    answers = []
    for i, hop in enumerate(hops):
        forward = hops[i + 1].forward() if i + 1 < len(hops) else (
            "[%s]:%s" % tuple(case.to))
        answers.append(ask(case, hop.name, *hop_words(
            case, hop, i + 1 if numbered else None, forward, hop.earlier)))
    bad = [answer for answer in answers if answer.refused()]
    if bad:
        raise refusal(bad)
    return answers


def circle(hops, answers):
    seen = {}
    for hop, answer in zip(hops, answers):
        at = tuple(answer.get(key) for key in (
            "user", "hostname", "port", "hostkeyalias"))
        if at in seen and seen[at].nesting != hop.nesting:
            raise Refused("a circle", [seen[at].name, hop.name])
        seen.setdefault(at, hop)


def limit(hops):
    if len(hops) > MAX_HOPS:
        raise Refused("too many", [str(MAX_HOPS)])


def start(case):
    """The hops of -J, or of the target's own ProxyJump."""
    if case.jump is not None:
        return split(case, case.jump)
    host, port = case.to
    answer = ask(case, host, "-W", "x:1", *file_words(case), "-p", port)
    if answer.refused():
        raise refusal([answer])
    if answer.get("proxyjump") is None:
        raise Refused("no gateway")
    return split(case, answer.get("proxyjump"))


def straight(case):
    """No gateway; ssh still has its say about the target."""
    host, port = case.to
    answer = ask(case, host, "-W", "x:1", *file_words(case), "-p", port,
                 "-J", "none")
    if answer.refused():
        raise refusal([answer])
    return [], []


def walk(case):
    """The hops, nearest first, and ssh's answer about each."""
    hops = start(case)
    limit(hops)
    numbered = not any((option.hop or "").isdigit() for option in case.opts)
    while hops:
        answers = ask_all(case, hops, numbered)
        if numbered:
            circle(hops, answers)
        jump = answers[0].get("proxyjump")
        if jump is not None:
            before = split(case, jump)
            for hop in before:
                hop.nesting = hops[0].nesting + 1
            hops = before + hops
            limit(hops)
        elif numbered:
            return hops, answers
        else:
            numbered = True         # now that the positions are known
    return straight(case)


# ---- what proxyhop makes of it ---------------------------------------------

def supports_j():
    """%j, the jump host, came with 9.6."""
    status, _, _ = run([SSH, "-G", "-F", "none", "-o",
                        "UserKnownHostsFile=/%j", "x"])
    return status == 0


WITH_J = supports_j()


class Unknown(Exception):
    """A name that cannot be expanded."""


def tokens(hop, answer):
    me = pwd.getpwuid(os.getuid())
    host = socket.gethostname()
    jump = answer.get("proxyjump") or ""
    jump = jump.rsplit(",", 1)[-1].rsplit("@", 1)[-1]
    if jump:
        jump = Hop("", jump, None).name
    value = {
        "%": "%", "d": me.pw_dir, "h": answer.get("hostname"),
        "i": str(os.getuid()), "k": answer.get("hostkeyalias") or hop.name,
        "L": host.split(".")[0], "l": host, "n": hop.name,
        "p": answer.get("port"), "r": answer.get("user"), "u": me.pw_name,
    }
    whole = host + value["h"] + value["p"] + value["r"]
    if WITH_J:
        value["j"] = jump
        whole += jump
    value["C"] = hashlib.sha1(whole.encode()).hexdigest()
    return value


def tilde(name):
    if not name.startswith("~"):
        return name
    user, slash, rest = name[1:].partition("/")
    try:
        home = pwd.getpwnam(user).pw_dir if user else HOME
    except KeyError:
        raise Unknown(name) from None
    return home + ("" if home.endswith("/") else "/") + rest


def expand(name, value, env):
    """~, ~user, %tokens and ${ENV} of a name ssh -G prints as written."""
    def one(match):
        word = match.group()
        if word.startswith("${"):
            if not word.endswith("}") or word[2:-1] not in env:
                raise Unknown(name)
            return env[word[2:-1]]
        if word[1:] not in value:
            raise Unknown(name)
        return value[word[1:]]
    return re.sub(r"\$\{[^}]*\}?|%.?", one, tilde(name))


def names(case, hop, answer, key):
    """The files of several lines, expanded, without none."""
    value = tokens(hop, answer)
    written = [name for name in answer.values.get(key, [])
               if name.lower() != "none"]
    try:
        return [expand(name, value, case.environment()) for name in written]
    except Unknown as e:
        raise Refused(f"{key} cannot be expanded", [str(e)]) from None


# The only places where proxyhop and ssh -G may differ; each takes the list of
# ssh's values and returns what proxyhop prints.

# ssh's default is to wait for ever, and to ask nothing; it prints that as it
# prints a setting.
def own_defaults(values):
    values["logintimeout"] = [LOGIN_TIMEOUT]
    values["connectionattempts"] = [
        str(max(4, int(values.get("connectionattempts", ["1"])[0])))]
    if values.get("connecttimeout") == ["none"]:
        values["connecttimeout"] = ["0"]
    if values.get("serveraliveinterval") == ["0"]:
        values["serveraliveinterval"] = [ALIVE_INTERVAL]
        values["serveralivecountmax"] = [ALIVE_COUNT]


# Nobody has chosen, and the processor has AES: then that is first.
AES_FIRST = ("aes128-gcm@openssh.com,aes256-gcm@openssh.com,"
             "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr")


def has_aes():
    if os.environ.get("TEST_OS") == "posix":
        return False
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        for line in f:
            if line.startswith(("flags", "Features")):
                return "aes" in line.split()
    return False


@functools.lru_cache
def default_ciphers():
    out = subprocess.run([SSH, "-F", "none", "-G", "localhost"],
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    return re.search("^ciphers (.*)$", out, re.M).group(1)


def settle_ciphers(values):
    return [AES_FIRST if v == default_ciphers() and has_aes() else v
            for v in values]


def settle_known(values):
    values = [v for v in values if v.lower() != "none"]
    return [re.sub(r"(^| )~(?=/)", r"\1" + HOME.rstrip("/"), v)
            for v in values]


def settle_proxy(values):
    return [v for v in values if v != "none" and "proxyhop" not in v]


SETTLE = {
    "ciphers": settle_ciphers,
    "userknownhostsfile": settle_known,
    "globalknownhostsfile": settle_known,
    "proxycommand": settle_proxy,
}


def both(case, hops, number):
    """A ProxyCommand of a hop that has another one before it."""
    if number == 1:
        return
    hop = hops[number - 1]
    words = hop_words(case, hop, number, "x:1", None)
    answer = ask(case, hop.name, *words)
    if hop.earlier is None and answer.get("proxyjump") is not None:
        # the first of the two has won; is there the other behind it?
        answer = ask(case, hop.name, "-o", "ProxyJump=none", *words)
    command = settle_proxy(answer.values.get("proxycommand", []))
    if command and command != settle_proxy(
            ask(case, "nobody-knows.invalid", *file_words(case)).values.get(
                "proxycommand", [])):
        raise Refused("two ways to one hop",
                      [hop.name, "ProxyCommand", "ProxyCommand=none"])


def unused(case, hops):
    for option in case.opts:
        if option.hop is not None and not any(
                option.concerns(hop, i + 1) for i, hop in enumerate(hops)):
            raise Refused("an option for nobody", [option.typed])


def plan(case):
    """[(name, {key: [values]})], nearest first."""
    if case.file not in (None, "none") and not os.access(case.file, os.R_OK):
        # said before ssh is asked, which would only say it hop by hop
        raise Refused("no such file",
                      [case.file, "No such file or directory"])
    hops, answers = walk(case)
    unused(case, hops)
    made = []
    for number in range(1, len(hops) + 1):
        both(case, hops, number)
    for hop, answer in zip(hops, answers):
        values = {}
        for key in KEYS:
            if key in ("identityfile", "certificatefile"):
                values[key] = names(case, hop, answer, key)
            else:
                same = SETTLE.get(key, list)
                values[key] = same(answer.values.get(key, []))
        own_defaults(values)
        made.append((hop.name, {k: v for k, v in values.items() if v}))
    return made


# ---- what proxyhop says ----------------------------------------------------

def stop(user, host, port):
    host = f"[{host}]" if ":" in host else host
    me = pwd.getpwuid(os.getuid()).pw_name
    return f"{host}:{port}" if user in (None, me) else f"{user}@{host}:{port}"


def route(made, to):
    """The first line: all of the route, users where they are not ours."""
    stops = [stop(values.get("user", [None])[0], name, values["port"][0])
             for name, values in made if "port" in values]
    return " -> ".join(["you", *stops, stop(None, *to)])


def render(made, to):
    """The plan as proxyhop -G prints it."""
    lines = [route(made, to)]
    for i, (name, values) in enumerate(made):
        lines.append(f"hop {i + 1} {name}")
        for key, several in values.items():
            lines += [f"{key} {value}" for value in several]
    lines.append("target %s %s" % tuple(to))
    return "".join(line + "\n" for line in lines)


def parse(text):
    """The other way round; what makes no sense is complained about."""
    made, target, wrong = [], None, []
    for n, line in enumerate(text.splitlines()):
        key, _, value = line.partition(" ")
        if n == 0 and key == "you":
            pass  # compared as a whole
        elif target is not None:
            wrong.append(f"after the target: {line}")
        elif key == "hop":
            number, _, name = value.partition(" ")
            if number != str(len(made) + 1):
                wrong.append(f"number of a hop: {line}")
            made.append((name, {}))
        elif key == "target":
            target = value.split(" ")
        elif not made:
            wrong.append(f"before the first hop: {line}")
        else:
            made[-1][1].setdefault(key, []).append(value)
    if target is None:
        wrong.append("no line 'target HOST PORT'")
    return made, target, wrong


def compare_hops(wanted, got):
    for i, ((name, want), (_, have)) in enumerate(zip(wanted, got)):
        for key in KEYS + sorted(set(have) - set(KEYS)):
            ours = have.get(key, [])
            if key in ("userknownhostsfile", "globalknownhostsfile"):
                ours = settle_known(ours) if ours else ours
            if want.get(key, []) != ours:
                yield (f"hop {i + 1} {name}: {key}: "
                       f"ssh {want.get(key)}, proxyhop {have.get(key)}")


def compare_plan(wanted, to, text):
    """All differences, as sentences."""
    got, target, wrong = parse(text)
    chain, ours = [[name for name, _ in plan] for plan in (wanted, got)]
    if chain != ours:
        wrong.append(f"the chain: ssh {chain}, proxyhop {ours}")
    elif target is not None and target != to:
        wrong.append(f"the target: {to}, proxyhop {target}")
    if text.split("\n")[0] != route(wanted, to):
        wrong.append(f"the route: {route(wanted, to)}")
    return wrong + list(compare_hops(wanted, got))


def compare_refusal(refused, case, status, out, err):
    wrong = []
    if status != 1:
        wrong.append(f"status {status}, wanted 1: {refused}")
    if out:
        wrong.append("refused, but wrote on stdout")
    if err.count("\n") != 1 or not err.startswith("proxyhop: "):
        wrong.append("not one line that begins with 'proxyhop: '")
    if visible(err.rstrip("\n")) != err.rstrip("\n"):
        wrong.append("a control character goes to the terminal")
    for word in case.names:
        if word not in err:
            wrong.append(f"the line does not say '{word}'")
    if refused.words and not any(
            all(word.split("line 0: ")[-1] in err for word in words)
            for words in refused.words):
        wrong.append(f"the line does not say {refused.words[0]}")
    return wrong


def compare(case, wanted, status, out, err):
    """wanted is a plan or a Refused."""
    if isinstance(wanted, Refused):
        return compare_refusal(wanted, case, status, out, err)
    wrong = []
    if status != 0:
        wrong.append(f"status {status}, but ssh takes it")
    if err:
        wrong.append("a success says nothing on stderr")
    if status == 0:
        wrong += compare_plan(wanted, case.to, out)
    return wrong


# ---- the three jobs --------------------------------------------------------

def expected(case):
    try:
        return plan(case)
    except Refused as refused:
        return refused


def remark(wanted):
    if isinstance(wanted, Refused):
        return f"refused: {wanted}"
    n = sum(len(v) for _, values in wanted for v in values.values())
    return f"{len(wanted)} hops, {n} values"


def check(case):
    wanted = expected(case)
    status, out, err = run(case.proxyhop(), env=case.environment())
    wrong = compare(case, wanted, status, out, err)
    if wrong:
        wrong += [f"stderr: {line}" for line in err.splitlines()]
    return remark(wanted), wrong


def doctored(text):
    """Every line changed, dropped, said twice; neighbours changed over."""
    lines = text.splitlines(True)
    for i, line in enumerate(lines):
        key = line.split(" ", 1)[0]
        yield f"'{line.strip()}' changed", [
            *lines[:i], line[:-1] + "x\n", *lines[i + 1:]]
        yield f"'{line.strip()}' dropped", lines[:i] + lines[i + 1:]
        yield f"'{line.strip()}' twice", lines[:i + 1] + lines[i:]
        if i > 0 and lines[i - 1].split(" ", 1)[0] == key:
            yield f"'{line.strip()}' before its neighbour", [
                *lines[:i - 1], line, lines[i - 1], *lines[i + 1:]]
    yield "a key that is not ours", lines[:-1] + ["proxyjump a\n", lines[-1]]
    yield "a hop more", lines[:-1] + ["hop 17 more\n", lines[-1]]


def twin(case):
    wanted, wrong, n = expected(case), [], 0
    if isinstance(wanted, Refused):
        words = wanted.words[0] if wanted.words else []
        line = "proxyhop: " + " ".join(words + case.names) + "\n"
        if compare(case, wanted, 1, "", line):
            wrong.append("the true answer is not taken")
        answers = [(0, "", line), (2, "", line), (1, "x\n", line),
                   (1, "", ""), (1, "", line + line), (1, "", line[1:])]
        if words:
            answers.append((1, "", "proxyhop: other words\n"))
        wrong += [f"not noticed: {answer}" for answer in answers
                  if not compare(case, wanted, *answer)]
        return f"{len(answers)} changes", wrong
    text = render(wanted, case.to)
    wrong += compare(case, wanted, 0, text, "")
    if not compare(case, wanted, 1, text, ""):
        wrong.append("not noticed: status 1")
    if not compare(case, wanted, 0, text, "proxyhop: said more\n"):
        wrong.append("not noticed: a word on stderr")
    for what, lines in doctored(text):
        n += 1
        if not compare(case, wanted, 0, "".join(lines), ""):
            wrong.append(f"not noticed: {what}")
    return f"{n} changes", wrong


def tried(case, hop, answer, words):
    """What ssh -v says it tries; it reaches nobody, for what it takes for ssh,
    and would be connected by, is DIR/bin/ssh, which only waits for a line."""
    env = case.environment(PROXYHOP="1")
    env["PATH"] = os.path.dirname(case.path) + "/bin:" + env["PATH"]
    if answer.get("proxyjump") is None:
        words = ["-o", "ProxyCommand=ssh", *words]
    words = ["-o", "ProxyUseFdpass=no", *words]
    _, _, err = run(["ssh", "-v", *words, "--", hop.name], executable=SSH,
                    env=env)
    files = [re.findall(rf"^debug1: {kind} file (.*) type -?\d+\r?$", err, re.M)
             for kind in ("identity", "certificate")]
    return "Local version string" in err, *files


def implicit(files):
    """Without a CertificateFile, ssh looks for one beside each key."""
    return [name for file in files for name in (file, file + "-cert")]


def voice_hop(case, hop, answer, words):
    went_on, ids, certs = tried(case, hop, answer, words)
    try:
        want_ids = names(case, hop, answer, "identityfile")
        want_certs = names(case, hop, answer, "certificatefile")
    except Refused as refused:
        if went_on:
            yield f"hop {hop.name}: ssh goes on: {refused}"
        return
    if not went_on:
        yield f"hop {hop.name}: ssh cannot expand a name"
        return
    if not answer.values.get("certificatefile"):
        want_ids = implicit(want_ids)
    # 9.2 takes none for a name here
    certs = [cert for cert in certs if cert != "none"]
    if ids != want_ids:
        yield f"hop {hop.name}: ssh tries {ids}, expanded here {want_ids}"
    if certs != want_certs:
        yield f"hop {hop.name}: ssh tries {certs}, expanded here {want_certs}"


def voice(case):
    wrong, n = [], 0
    try:
        hops, answers = walk(case)
    except Refused as refused:
        return f"refused: {refused}", []
    for i, (hop, answer) in enumerate(zip(hops, answers)):
        # the ProxyCommand that keeps us from connecting would count
        if hop.earlier == "none" or (hop.earlier is None and
                answer.get("canonicalizehostname") in ("true", "yes")):
            continue
        words = hop_words(case, hop, i + 1, "x:1", hop.earlier)
        wrong += voice_hop(case, hop, answer, words)
        n += 1
    return f"{n} hops", wrong


def one(job, path, out):
    case = Case(path)
    try:
        what, wrong = job(case)
    except subprocess.TimeoutExpired as e:
        what, wrong = "in time", [f"no end: {shlex.join(e.cmd)}"]
    except OSError as e:
        what, wrong = "run", [str(e)]
    if wrong:
        with open(f"{out}/{case.name}.diff", "w",
                  errors="surrogateescape") as file:
            file.write("".join(line + "\n" for line in wrong))
    return f"{'FAIL' if wrong else 'ok'} {case.name} {what}"


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "show":
        case = Case(sys.argv[2])
        wanted = expected(case)
        if isinstance(wanted, Refused):
            print("refused:", wanted, wanted.words)
        else:
            print(render(wanted, case.to), end="")
        return
    jobs = {"check": check, "voice": voice, "twin": twin}
    if len(sys.argv) < 4 or sys.argv[1] not in jobs:
        sys.exit(__doc__)
    job, folder, out = jobs[sys.argv[1]], *sys.argv[2:4]
    paths = sys.argv[4:] or sorted(glob.glob(f"{folder}/*.conf"))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for line in pool.map(lambda path: one(job, path, out), paths):
            print(line, flush=True)


if __name__ == "__main__":
    main()
