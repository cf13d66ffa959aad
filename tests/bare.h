/*
 * Included before all else where proxyhop is built without what only Linux
 * has: what Linux or glibc has and OpenBSD 7.3 or FreeBSD 14 lack may not be
 * used.
 */

#pragma GCC system_header	/* no warning that some of them are macros */

#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <endian.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <grp.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <locale.h>
#include <netdb.h>
#include <paths.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>

/* of the kernel */
#pragma GCC poison memfd_create prctl syscall gettid mremap statx splice tee
#pragma GCC poison sendfile eventfd signalfd timerfd_create epoll_create1
#pragma GCC poison inotify_init1 close_range getrandom setns unshare pidfd_open
#pragma GCC poison ucred SO_PEERCRED SO_PASSCRED SCM_CREDENTIALS SO_DOMAIN
#pragma GCC poison TCP_QUICKACK TCP_USER_TIMEOUT TCP_CORK SIOCOUTQ SIOCINQ
#pragma GCC poison F_OFD_SETLK F_OFD_GETLK F_OFD_SETLKW F_SETPIPE_SZ
#pragma GCC poison O_PATH O_TMPFILE O_DIRECT MFD_CLOEXEC
#pragma GCC poison POLLRDHUP SIGPWR SIGSTKFLT SIGPOLL TIOCGDEV

/* of POSIX's realtime signals, which OpenBSD has not */
#pragma GCC poison sigtimedwait sigwaitinfo sigqueue SIGRTMIN SIGRTMAX

/* of glibc */
#pragma GCC poison execvpe secure_getenv getauxval canonicalize_file_name
#pragma GCC poison get_current_dir_name euidaccess eaccess strchrnul mempcpy
#pragma GCC poison rawmemchr strverscmp versionsort strdupa strndupa strfry
#pragma GCC poison sigabbrev_np strerrorname_np fopencookie qsort_r
#pragma GCC poison program_invocation_name program_invocation_short_name
#pragma GCC poison TEMP_FAILURE_RETRY error_at_line on_exit getpt
