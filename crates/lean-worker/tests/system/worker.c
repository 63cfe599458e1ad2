/*
 * The worker's C part without Lean: what `Main.lean` does with it, and checks that do as their text says. For tests/system_c.rs.
 *
 * It knows no JSON: a setting or a word of a script is there if its text is in the line.
 */
#define _GNU_SOURCE
#include "system.c"

extern char *strstr(char const *, char const *), *getenv(char const *);
extern int socket(int, int, int), usleep(unsigned), setsid(void), execl(char const *, char const *, ...), pause(void), atoi(char const *);
extern void *malloc(size_t), *memcpy(void *, void const *, size_t), *memset(void *, int, size_t), abort(void);
extern long atol(char const *);

lean_object *lean_mk_string_from_bytes(char const *text, size_t n) {
    lean_object *s = malloc(sizeof *s + n + 1);
    memcpy(s->text, text, n);
    s->text[n] = 0, s->size = n + 1;
    return s;
}
void lean_init_task_manager(void) { }
void lean_init_task_manager_using(unsigned n) { (void)n; }
void lean_finalize_task_manager(void) { }
lean_object *lean_internal_set_thread_stack_size(size_t n) { (void)n; return lean_box(0); }

static void say(char const *text) { leanpool_send(3, lean_mk_string_from_bytes(text, strlen(text))); }
static long number(char const *line, char const *key) { char *at = strstr(line, key); return at ? atol(at + strlen(key)) : -1; }
static void message(char const *text) {
    char line[400];
    snprintf(line, sizeof line, "{\"data\":\"%s\",\"endPos\":null,\"fileName\":\"a.lean\",\"pos\":{\"column\":0,\"line\":1},\"severity\":\"information\"}\n", text);
    say(line);
}
static void settle(char const *line) {
    char more[200];
    unsigned how = strstr(line, "\"network\":false") ? leanpool_no_network() : 0, landlock = 0;
    if (strstr(line, "\"writable\":\"\"")) landlock = leanpool_read_only(lean_mk_string_from_bytes("", 0));
    if (number(line, "\"memory\":") >= 0) leanpool_limit(2, number(line, "\"memory\":") + (64 << 20));
    if (number(line, "\"cpu\":") >= 0) leanpool_limit(0, number(line, "\"cpu\":"));
    if (number(line, "\"fileSize\":") >= 0) leanpool_limit(1, number(line, "\"fileSize\":"));
    snprintf(more, sizeof more, "{\"record\":\"child\",\"pid\":%d,\"landlock\":%u,\"seccomp\":%s,\"networkNamespace\":%s}\n", getpid(), landlock,
        how & 2 ? "true" : "false", how & 1 ? "true" : "false");
    say(more);
}
static void check(char const *line) {
    char text[200];
    int cancelled = 0;
    message("begun");
    if (strstr(line, "-- exit")) leanpool_exit(0);
    if (strstr(line, "-- abort")) { write(2, "oops\n", 5); abort(); }
    if (strstr(line, "-- spin")) for (;;) { }
    if (strstr(line, "-- until-cancelled")) {
        while (strncmp(leanpool_receive(3)->text, "cancel", 6) != 0) { }
        cancelled = 1;
    }
    if (strstr(line, "-- eat")) {
        void *p;
        while ((p = malloc(1 << 20))) memset(p, 1, 1 << 20);
        write(2, "out of memory\n", 14);
        leanpool_exit(1);
    }
    if (strstr(line, "-- fill")) {
        int fd = memfd_create("fill", 0);
        static char block[65536];
        while (write(fd, block, sizeof block) > 0) { }
        message("no more");
    }
    if (strstr(line, "-- socket")) message(socket(2, 1, 0) >= 0 ? "a socket" : "no socket");
    if (strstr(line, "-- touch ")) {
        char path[300], *end;
        snprintf(path, sizeof path, "%s", strstr(line, "-- touch ") + 9);
        for (end = path; *end && *end != '\\' && *end != '"'; end++) { }
        *end = 0;
        message(open(path, O_WRONLY | 0100, 0600) >= 0 ? "written" : "not written");
    }
    if (strstr(line, "-- orphan")) {
        int pid = fork();
        if (pid == 0) { setsid(); for (;;) pause(); }
        snprintf(text, sizeof text, "%d", pid);
        message(text);
    }
    if (strstr(line, "-- print")) {
        static char much[4096];
        memset(much, 'x', sizeof much);
        for (int i = 0; i < 100; i++) if (write(1, much, sizeof much) < 0) break;
        snprintf(text, sizeof text, "kept %d", (int)leanpool_take_output()->size - 1);
        message(text);
    }
    snprintf(text, sizeof text, "{\"record\":\"done\",\"file\":\"a.lean\",\"errors\":0,\"cancelled\":%s}\n", cancelled ? "true" : "false");
    say(text);
}
int main(int argc, char **argv) {
    if (argc != 2) return 2;
    leanpool_receive(0);
    unsigned report_to = leanpool_keep_stdout();
    char const ready[] = "{\"record\":\"ready\",\"privateDirty\":100}\n";
    leanpool_send(report_to, lean_mk_string_from_bytes(ready, sizeof ready - 1));
    leanpool_close(report_to);
    if (!leanpool_serve(atoi(argv[1]), 65536)) leanpool_exit(0);
    for (;;) {
        char const *line = leanpool_receive(3)->text;
        if (!*line) leanpool_exit(0);
        if (strstr(line, "{\"child\"")) settle(line);
        if (strstr(line, "{\"check\"")) check(line);
    }
}
