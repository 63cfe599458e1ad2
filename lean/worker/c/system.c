/*
 * system.c - processes, sockets, limits and the sandbox of leanpool-worker (Linux, 64 bit).
 *
 * The C compiler of an official Lean toolchain (`leanc`) comes without the system's header files, so
 * this file declares what it uses of libc and the kernel itself. All functions that Lean calls are
 * `BaseIO`: they take and return plain numbers or strings and never throw.
 *
 * Descriptors of a child:  0 /dev/null   1,2 its output (a memfd of bounded size)
 *                          3 its stream  4 the control socket of a child that is to become a zygote
 */
#include <lean/lean.h>

/* ---- libc and kernel ------------------------------------------------------------------------ */
struct pollfd { int fd; short events, revents; };
struct iovec { void *base; size_t len; };
struct msghdr { void *name; uint32_t namelen; struct iovec *iov; size_t iovlen;
                void *control; size_t controllen; int flags; };
struct rlimit { uint64_t soft, hard; };
struct timeval { int64_t sec, usec; };
struct timespec { int64_t sec, nsec; };
struct rusage { struct timeval user, system; int64_t maxrss, unused[13]; };
struct siginfo { int signo, error, code, pad, pid, rest[27]; };
enum { POLLIN = 1, POLLHUP = 16, SOL_SOCKET = 1, SCM_RIGHTS = 1, MSG_NOSIGNAL = 0x4000,
       MSG_CMSG_CLOEXEC = 0x40000000, O_WRONLY = 1, O_RDWR = 2, O_CLOEXEC = 02000000, O_NONBLOCK = 04000,
       O_PATH = 010000000, F_DUPFD_CLOEXEC = 1030, F_ADD_SEALS = 1033, MFD_CLOEXEC = 1, MFD_ALLOW_SEALING = 2,
       EINTR = 4, EAGAIN = 11, ENOTSOCK = 88, SIGKILL = 9, SIGTERM = 15, SIGCHLD = 17, SIG_BLOCK = 0,
       SIG_UNBLOCK = 1, P_ALL = 0, WNOHANG = 1, WEXITED = 4, WNOWAIT = 0x1000000, RLIMIT_CORE = 4,
       PR_SET_PDEATHSIG = 1, PR_SET_NAME = 15, PR_SET_SECCOMP = 22, PR_SET_CHILD_SUBREAPER = 36,
       PR_SET_NO_NEW_PRIVS = 38, CLONE_NEWUSER = 0x10000000, CLONE_NEWNET = 0x40000000,
       SYS_landlock_create_ruleset = 444, SYS_landlock_add_rule = 445, SYS_landlock_restrict_self = 446 };
extern int poll(struct pollfd *, unsigned long, int), close(int), dup2(int, int), fork(void), kill(int, int);
extern int getpid(void), getppid(void), setpgid(int, int), open(char const *, int, ...), pipe2(int *, int);
extern int fcntl(int, int, ...), ftruncate(int, long), memfd_create(char const *, unsigned), prctl(int, ...);
extern int setrlimit(int, struct rlimit const *), signalfd(int, void const *, int), unshare(int);
extern int sigprocmask(int, void const *, void *), waitid(int, int, struct siginfo *, int);
extern int wait4(int, int *, int, struct rusage *), clock_gettime(int, struct timespec *), fflush(void *);
extern int setenv(char const *, char const *, int), close_range(unsigned, unsigned, int);
extern int snprintf(char *, size_t, char const *, ...), strncmp(char const *, char const *, size_t);
extern long read(int, void *, size_t), write(int, void const *, size_t), send(int, void const *, size_t, int);
extern long recvmsg(int, struct msghdr *, int), lseek(int, long, int), pread(int, void *, size_t, long), syscall(long, ...);
extern void _exit(int), free(void *), *realloc(void *, size_t), *memchr(void const *, int, size_t), *memmove(void *, void const *, size_t);
extern void (*signal(int, void (*)(int)))(int);
extern unsigned long strtoul(char const *, char **, int);
extern size_t strlen(char const *);
extern int *__errno_location(void);
#define errno (*__errno_location())
extern void lean_init_task_manager(void), lean_init_task_manager_using(unsigned), lean_finalize_task_manager(void);
extern lean_object *lean_mk_string_from_bytes(char const *, size_t), *lean_internal_set_thread_stack_size(size_t);

static double seconds(void) { struct timespec t; clock_gettime(1, &t); return t.sec + t.nsec * 1e-9; }
static void mask(int how, int signum) { uint64_t set[16] = { 1ull << (signum - 1) }; sigprocmask(how, set, 0); }

/* SIGCHLD is read from a descriptor, so every thread has to block it, also the one that Lean's runtime
 * starts for libuv before `main`. */
__attribute__((constructor)) static void block_sigchld(void) { mask(SIG_BLOCK, SIGCHLD); }

/* ---- the zygote ----------------------------------------------------------------------------- */
enum { MAX_CHILDREN = 256, MAX_REPORT = 100000 };
static struct child { int pid, output; unsigned long id; double start; } children[MAX_CHILDREN];
static int n_children;
static int stop_pipe[2] = { -1, -1 };   /* a child's SIGTERM arrives here */
static struct { char *text; size_t used, room; } input;   /* what was read of a stream */

static void on_sigterm(int signum) { (void)signum; long r = write(stop_pipe[1], "", 1); (void)r; }

static void report(int control, char const *packet, size_t n) {
    while (send(control, packet, n, MSG_NOSIGNAL) < 0 && errno == EINTR) { }
}

/* Appends what a child wrote to its output and did not deliver itself, as a JSON string. */
static size_t append_output(char *to, size_t room, int output) {
    static char text[16384];
    size_t n = 0;
    long length = lseek(output, 0, 1), got = pread(output, text, length > 16384 ? 16384 : length, 0);
    to[n++] = '"';
    for (long i = 0; i < got && n + 8 < room; i++) {
        unsigned char c = text[i];
        if (c == '"' || c == '\\') { to[n++] = '\\'; to[n++] = c; }
        else if (c < 32 || c > 126) n += snprintf(to + n, 7, "\\u%04x", c < 128 ? c : 0xfffd);
        else to[n++] = c;
    }
    to[n++] = '"';
    return n;
}

/* Programs that a child started in a session of their own are orphans now, and ours. */
static void kill_orphans(void) {
    char list[4096];
    int fd = open("/proc/thread-self/children", O_CLOEXEC);
    long n = fd < 0 ? 0 : read(fd, list, sizeof list - 1);
    list[n < 0 ? 0 : n] = 0;
    if (fd >= 0) close(fd);
    for (char *p = list; *p;) {
        char *end;
        int i = 0, pid = strtoul(p, &end, 10);
        if (end == p) break;
        while (i < n_children && children[i].pid != pid) i++;
        if (i == n_children) kill(pid, SIGKILL);
        p = end;
    }
}

/* Takes leave of every child that has ended: kills what is left of its process group, reports. */
static void reap(int control) {
    static char packet[MAX_REPORT + 400];
    for (;;) {
        struct siginfo info = { .pid = 0 };
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.pid == 0) break;
        int i = 0, status = 0;
        while (i < n_children && children[i].pid != info.pid) i++;
        if (i < n_children) kill(-info.pid, SIGKILL);   /* not yet reaped: the group's id is still its own */
        struct rusage use = { 0 };
        wait4(info.pid, &status, 0, &use);
        if (i == n_children) continue;                  /* an orphan that a child left behind */
        struct child c = children[i];
        children[i] = children[--n_children];
        int signum = status & 127;
        size_t n = snprintf(packet, 400, "{\"event\":\"exited\",\"id\":%lu,\"pid\":%d,\"code\":%d,\"signal\":%d,"
            "\"seconds\":%.6f,\"user\":%.6f,\"system\":%.6f,\"maxrss\":%ld,\"output\":",
            c.id, c.pid, signum ? -1 : (status >> 8) & 255, signum, seconds() - c.start,
            use.user.sec + use.user.usec * 1e-6, use.system.sec + use.system.usec * 1e-6, (long)use.maxrss);
        n += append_output(packet + n, MAX_REPORT, c.output);
        packet[n++] = '}';
        close(c.output);
        report(control, packet, n);
    }
    kill_orphans();
}

/* Reads one packet and up to two descriptors that came with it. 0: the other side is closed. */
static long receive_packet(int control, char *packet, size_t room, int fds[2]) {
    uint64_t space[4] = { 0 };   /* a control message with two descriptors: length, level and type, two ints */
    struct iovec iov = { packet, room - 1 };
    struct msghdr msg = { .iov = &iov, .iovlen = 1, .control = space, .controllen = sizeof space };
    long n;
    while ((n = recvmsg(control, &msg, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) { }
    if (n < 0) n = 0;
    packet[n] = 0;
    fds[0] = fds[1] = -1;
    if (msg.controllen >= 20 && ((int *)space)[2] == SOL_SOCKET && ((int *)space)[3] == SCM_RIGHTS) {
        fds[0] = ((int *)space)[4];
        if (space[0] >= 24) fds[1] = ((int *)space)[5];
    }
    return n;
}

/* What a child is before it becomes Lean's again. `fds`: its stream, its control socket or -1. */
static void become_child(int parent, int const fds[2], int output) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    setpgid(0, 0);
    int stream = fcntl(fds[0], F_DUPFD_CLOEXEC, 64), control = fds[1] < 0 ? -1 : fcntl(fds[1], F_DUPFD_CLOEXEC, 64);
    dup2(output, 1);
    dup2(output, 2);
    close_range(3, 63, 0);
    dup2(stream, 3);
    if (control >= 0) dup2(control, 4);
    close_range(5, ~0u, 0);
    fcntl(3, 2, 1), fcntl(4, 2, 1);   /* not for programs that the child starts */
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);   /* rather this one than its zygote */
    if (fd >= 0) { long r = write(fd, "500", 3); (void)r; close(fd); }
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    prctl(PR_SET_NAME, "leanpool-check");
    n_children = 0;
    input.used = 0;
    if (pipe2(stop_pipe, O_CLOEXEC | O_NONBLOCK) == 0) signal(SIGTERM, on_sigterm);
    mask(SIG_UNBLOCK, SIGCHLD);
}

static int spawn(int control, unsigned long id, int const fds[2], long output_limit) {
    char packet[100];
    int parent = getpid(), output = memfd_create("output", MFD_CLOEXEC | MFD_ALLOW_SEALING), pid = -1;
    if (output >= 0 && ftruncate(output, output_limit) == 0) {
        fcntl(output, F_ADD_SEALS, 7);   /* the size is fixed: writing past it fails */
        if (n_children < MAX_CHILDREN) pid = fork();
    }
    if (pid == 0) { become_child(parent, fds, output); return 1; }
    if (pid > 0) {
        setpgid(pid, pid);
        children[n_children++] = (struct child){ pid, output, id, seconds() };
    } else if (output >= 0) close(output);
    report(control, packet, snprintf(packet, sizeof packet, "{\"event\":\"forked\",\"id\":%lu,\"pid\":%d}", id, pid));
    return 0;
}

/* The zygote's life: answers the packets `fork ID` and `kill ID` and reports the ends of children.
 * Returns 1 in a child, 0 when the control socket has been closed and all children are gone. */
LEAN_EXPORT uint8_t leanpool_serve(uint32_t control, uint64_t output_limit) {
    uint64_t set[16] = { 1ull << (SIGCHLD - 1) }, discard[64];
    signal(SIGTERM, 0);
    prctl(PR_SET_PDEATHSIG, 0);         /* the host's death is now seen on the control socket: first the children go */
    mask(SIG_BLOCK, SIGCHLD);
    prctl(PR_SET_CHILD_SUBREAPER, 1);   /* what a child leaves behind comes to us, to be reaped */
    prctl(PR_SET_NAME, "leanpool-zygote");
    int signals = signalfd(-1, set, O_CLOEXEC | O_NONBLOCK);
    for (;;) {
        struct pollfd p[2] = { { signals, POLLIN, 0 }, { control, POLLIN, 0 } };
        if (poll(p, 2, -1) < 0) continue;
        if (p[0].revents) {
            while (read(signals, discard, sizeof discard) > 0) { }
            reap(control);
        }
        if (!p[1].revents) continue;
        char packet[64];
        int fds[2];
        if (receive_packet(control, packet, sizeof packet, fds) == 0) {
            for (int i = 0; i < n_children; i++) kill(-children[i].pid, SIGKILL);
            for (int i = 0; i < n_children; i++) wait4(children[i].pid, 0, 0, 0);
            n_children = 0;
            kill_orphans();
            close(signals);
            return 0;
        }
        unsigned long id = strtoul(packet + (strlen(packet) < 5 ? 0 : 5), 0, 10);
        if (strncmp(packet, "fork ", 5) == 0 && fds[0] >= 0 && spawn(control, id, fds, output_limit)) return 1;
        if (strncmp(packet, "kill ", 5) == 0)
            for (int i = 0; i < n_children; i++) if (children[i].id == id) kill(-children[i].pid, SIGKILL);
        if (fds[0] >= 0) close(fds[0]);
        if (fds[1] >= 0) close(fds[1]);
    }
}

/* ---- streams -------------------------------------------------------------------------------- */

/* The next line without its end; "" at the end of the stream; "cancel" also for a SIGTERM. */
LEAN_EXPORT lean_obj_res leanpool_receive(uint32_t fd) {
    for (size_t seen = 0;;) {
        char *end = input.used > seen ? memchr(input.text + seen, '\n', input.used - seen) : 0;
        if (end) {
            lean_object *line = lean_mk_string_from_bytes(input.text, end - input.text);
            input.used -= end + 1 - input.text;
            memmove(input.text, end + 1, input.used);
            return line;
        }
        seen = input.used;
        struct pollfd p[2] = { { fd, POLLIN, 0 }, { stop_pipe[0], POLLIN, 0 } };
        if (poll(p, 2, -1) < 0) continue;
        char discard[64];
        if (p[1].revents && read(stop_pipe[0], discard, sizeof discard) > 0) return lean_mk_string_from_bytes("cancel", 6);
        if (!p[0].revents) continue;
        if (input.room - input.used < 65536) input.text = realloc(input.text, input.room = input.room * 2 + 131072);
        long n = read(fd, input.text + input.used, input.room - input.used);
        if (n == 0 || (n < 0 && errno != EINTR)) return lean_mk_string_from_bytes("", 0);
        if (n > 0) input.used += n;
    }
}

/* Waits until the other end of a socket is closed altogether, not for writing only. */
LEAN_EXPORT lean_obj_res leanpool_wait_closed(uint32_t fd) {
    struct pollfd p = { fd, 0, 0 };
    while (poll(&p, 1, -1) < 0 || !(p.revents & POLLHUP)) { }
    return lean_box(0);
}

/* Writes all of a string to a socket or pipe. */
LEAN_EXPORT uint8_t leanpool_send(uint32_t fd, b_lean_obj_arg text) {
    char const *p = lean_string_cstr(text);
    for (size_t left = lean_string_size(text) - 1; left > 0;) {
        long n = send(fd, p, left, MSG_NOSIGNAL);
        if (n < 0 && errno == ENOTSOCK) n = write(fd, p, left);
        if (n < 0 && errno != EINTR) return 0;
        if (n > 0) { p += n; left -= n; }
    }
    return 1;
}

/* Takes what was written to this child's output since the last call. */
LEAN_EXPORT lean_obj_res leanpool_take_output(void) {
    fflush(0);
    long length = lseek(1, 0, 1), got = 0;
    char *text = length > 0 ? realloc(0, length) : 0;
    if (text && (got = pread(1, text, length, 0)) > 0) lseek(1, 0, 0);
    lean_object *s = lean_mk_string_from_bytes(text, got > 0 ? got : 0);
    free(text);
    return s;
}

/* Keeps standard output for the zygote's own report, lets everything else go to standard error, and leaves
 * nothing to be read from standard input. */
LEAN_EXPORT uint32_t leanpool_keep_stdout(void) {
    int fd = fcntl(1, F_DUPFD_CLOEXEC, 64), null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(2, 1);
    dup2(null, 0);
    close(null);
    return fd;
}
LEAN_EXPORT lean_obj_res leanpool_close(uint32_t fd) { close(fd); return lean_box(0); }

/* ---- this process --------------------------------------------------------------------------- */
LEAN_EXPORT lean_obj_res leanpool_end_tasks(void) { lean_finalize_task_manager(); return lean_box(0); }
LEAN_EXPORT lean_obj_res leanpool_start_tasks(uint32_t threads) {
    if (threads) lean_init_task_manager_using(threads); else lean_init_task_manager();
    return lean_box(0);
}
LEAN_EXPORT lean_obj_res leanpool_stack_size(uint64_t bytes) { lean_internal_set_thread_stack_size(bytes); return lean_box(0); }
LEAN_EXPORT lean_obj_res leanpool_setenv(b_lean_obj_arg name, b_lean_obj_arg value) {
    setenv(lean_string_cstr(name), lean_string_cstr(value), 1);
    return lean_box(0);
}
LEAN_EXPORT uint32_t leanpool_limit(uint32_t resource, uint64_t value) {
    return setrlimit(resource, &(struct rlimit){ value, value }) == 0 ? 0 : errno;
}
LEAN_EXPORT uint64_t leanpool_cpu_micros(void) {
    struct timespec t;
    clock_gettime(2, &t);
    return t.sec * 1000000ull + t.nsec / 1000;
}
LEAN_EXPORT lean_obj_res leanpool_exit(uint32_t code) { fflush(0); _exit(code); return 0; }

/* ---- the sandbox ---------------------------------------------------------------------------- */

/* No network: bit 1 = own network namespace, bit 2 = no new sockets (seccomp). */
LEAN_EXPORT uint32_t leanpool_no_network(void) {
    static struct filter { uint16_t code; uint8_t yes, no; uint32_t k; } const program[] = {
#if defined(__x86_64__)
        { 0x20, 0, 0, 4 }, { 0x15, 0, 4, 0xc000003e },                  /* another architecture: refuse */
        { 0x20, 0, 0, 0 }, { 0x35, 2, 0, 0x40000000 },                  /* x32: refuse */
        { 0x15, 1, 0, 41 }, { 0x15, 0, 1, 425 },                        /* socket, io_uring_setup: refuse */
#else
        { 0x20, 0, 0, 4 }, { 0x15, 0, 4, 0xc00000b7 }, { 0x20, 0, 0, 0 }, { 0x15, 2, 0, 198 },
        { 0x15, 1, 0, 425 }, { 0x15, 0, 1, 425 },
#endif
        { 0x06, 0, 0, 0x00050001 }, { 0x06, 0, 0, 0x7fff0000 } };      /* EPERM; allow */
    struct { uint16_t n; struct filter const *filter; } code = { sizeof program / sizeof *program, program };
    uint32_t done = unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);   /* new credentials may have cleared it */
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, 2, &code, 0, 0) == 0) done |= 2;
    return done;
}

/* Landlock: files can be read and run, but changed only below the folder `writable` (and /dev/null).
 * Returns the version of Landlock that does it, 0 if none. */
LEAN_EXPORT uint32_t leanpool_read_only(b_lean_obj_arg writable) {
    long version = syscall(SYS_landlock_create_ruleset, 0, 0, 1);
    if (version < 1) return 0;
    uint64_t change = 0x1ff2;                              /* write, remove, make */
    if (version >= 2) change |= 1 << 13;                   /* move between folders */
    if (version >= 3) change |= 1 << 14;                   /* truncate */
    uint64_t rules[3] = { change, version >= 4 ? 3 : 0, version >= 6 ? 3 : 0 };   /* tcp; abstract sockets, signals */
    int set = syscall(SYS_landlock_create_ruleset, rules, version >= 6 ? 24 : version >= 4 ? 16 : 8, 0);
    char const *paths[] = { lean_string_cstr(writable), "/dev/null" };
    for (int i = 0; set >= 0 && i < 2; i++) {
        struct { uint64_t allowed; int fd; } __attribute__((packed)) rule = { i ? change & 0x4002 : change, -1 };
        if (paths[i][0] && (rule.fd = open(paths[i], O_PATH | O_CLOEXEC)) >= 0) {
            syscall(SYS_landlock_add_rule, set, 1, &rule, 0);
            close(rule.fd);
        }
    }
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int failed = set < 0 || syscall(SYS_landlock_restrict_self, set, 0) < 0;
    if (set >= 0) close(set);
    return failed ? 0 : version;
}
