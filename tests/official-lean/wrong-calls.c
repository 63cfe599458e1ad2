/*
 * wrong-calls.c - what the official runtime makes of calls in a wrong order or from a wrong thread: each in a process of its own, compared
 * with what is known of 4.35.0. lean-backend's types allow none of them, and the ABI model ends the process at each. Exit code 1 if one
 * ends otherwise.
 */
#define _GNU_SOURCE
#include "lean435.h"
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

extern void lean_initialize_runtime_module(uint8_t builtin);
extern void *lean_alloc_small_object_core(size_t);

static void make_objects(void) {
    dec(cstring("a string"));
    if (!lean_alloc_small_object_core(24)) _exit(3);
}
static void read_header(void) {
    char const *source = "prelude\nimport Kit\n";
    char *error = 0;
    obj context = l_Lean_Parser_mkInputContext___redArg(cstring(source), cstring("file"), 1, box(strlen(source)));
    obj read = value_of(l_Lean_Parser_parseHeader(context), &error);
    if (!read) _exit(4);
    dec(read);
}
static void *objects(void *nothing) { make_objects(); return nothing; }
static void *objects_and_header(void *nothing) { make_objects(), read_header(); return nothing; }
static void on_another_thread(void *(*work)(void *)) {
    pthread_t other;
    if (pthread_create(&other, 0, work, 0) != 0) _exit(5);
    pthread_join(other, 0);
}
/* Lean works, and there is no thread more than a single start makes. */
static void as_after_one_start(void) {
    int entries = 0;
    lean_io_mark_end_initialization();
    make_objects(), read_header();
    DIR *tasks = opendir("/proc/self/task");
    while (readdir(tasks)) entries++;
    closedir(tasks);
    if (entries > 2 + 2) _exit(6);   /* `.` and `..`; this thread and libuv's */
}
static void start(void) { lean_initialize(), lean_io_mark_end_initialization(); }

static void unattached(void) { start(), on_another_thread(objects_and_header); }
static void unattached_end(void) { start(); for (int i = 0; i < 200; i++) on_another_thread(objects); }
static void attached_twice(void) { start(), lean_initialize_thread(), lean_initialize_thread(), read_header(), lean_finalize_thread(); }
static void started_twice(void) { lean_initialize(), lean_initialize(), as_after_one_start(); }
static void runtime_first(void) { lean_initialize_runtime_module(1), lean_initialize(), as_after_one_start(); }
static void runtime_later(void) { lean_initialize(), lean_initialize_runtime_module(1), as_after_one_start(); }
static void tasks_twice(void) { lean_initialize(), lean_init_task_manager(), lean_init_task_manager(), as_after_one_start(); }
static void end_not_said(void) { lean_initialize(), read_header(); }
static void runtime_alone(void) { lean_initialize_runtime_module(1), lean_io_mark_end_initialization(), read_header(); }
static void nothing_started(void) { lean_io_mark_end_initialization(), read_header(); }

static struct { char const *what; void (*call)(void); int code, signal; } const calls[] = {
    { "a thread that was not attached makes objects and reads a header", unattached, 0, 0 },
    { "200 threads that were not attached make objects and end", unattached_end, 0, 0 },
    { "a thread is attached twice", attached_twice, 0, 0 },
    { "Lean is initialised twice", started_twice, 0, 0 },
    { "the runtime is initialised, then Lean, which includes it", runtime_first, 0, 0 },
    { "Lean is initialised, then the runtime", runtime_later, 0, 0 },
    { "the task manager is started three times", tasks_twice, 0, 0 },
    { "nobody says that initialisation has ended, and a header is read", end_not_said, 4, 0 },
    { "only the runtime was initialised, and a header is read", runtime_alone, 0, SIGSEGV },
    { "nothing was initialised, and a header is read", nothing_started, 0, SIGSEGV },
};

int main(void) {
    int wrong = 0;
    setenv("UV_USE_IO_URING", "0", 1);   /* libuv's kernel thread would be counted */
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        int status;
        char how[60] = "goes well";
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) { calls[i].call(); _exit(0); }
        if (child < 0 || waitpid(child, &status, 0) < 0) { perror("wrong-calls"); return 2; }
        int killed = WIFSIGNALED(status) ? WTERMSIG(status) : 0, code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
        if (killed) snprintf(how, sizeof how, "signal %d", killed);
        else if (code) snprintf(how, sizeof how, "exit code %d", code);
        int good = killed == calls[i].signal && code == calls[i].code;
        printf("%s: %s: %s\n", good ? "as expected" : "WRONG", calls[i].what, how);
        wrong |= !good;
    }
    return wrong;
}
