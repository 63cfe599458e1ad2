/*
 * lean435.h - what is used of the runtime and of the compiled functions of Lean 4.35.0, for programs in C over its official library (see
 * get.sh), which comes without lean.h. README.md says how each layout and each signature was verified.
 */
#ifndef LEAN435_H
#define LEAN435_H
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the runtime: layouts -------------------------------------------------------------------- */

/* rc > 0: one thread's; rc < 0: shared by threads, counted downwards; 0: lives for ever. */
typedef struct { int rc; uint16_t size; uint8_t others, tag; } header;
typedef struct { header h; void *fields[]; } *obj;
typedef struct { header h; size_t used, room; obj items[]; } *array;
typedef struct { header h; size_t size, room, chars; char text[]; } *string;
typedef struct { header h; void *code; uint16_t arity, fixed; obj args[]; } *closure;
enum { TAG_ARRAY = 246, TAG_STRING = 249, TAG_CLOSURE = 245 };

static inline obj box(size_t n) { return (obj)(n << 1 | 1); }
static inline int scalar(obj o) { return (size_t)o & 1; }
static inline obj field(obj o, int i) { return o->fields[i]; }
static inline char const *text(obj s) { return ((string)s)->text; }
static inline size_t bytes(obj s) { return ((string)s)->size - 1; }

/* ---- the runtime: functions that the library exports under C names ---------------------------- */
extern obj lean_alloc_object(size_t);
extern void lean_dec_ref_cold(obj), lean_mark_mt(obj);
extern void lean_initialize(void), lean_initialize_thread(void), lean_finalize_thread(void);
extern void lean_init_task_manager(void), lean_init_task_manager_using(unsigned), lean_finalize_task_manager(void);
extern void lean_io_mark_end_initialization(void);
extern obj lean_enable_initializer_execution(void);
extern obj lean_internal_set_thread_stack_size(size_t);
extern obj lean_mk_string_from_bytes(char const *, size_t), lean_io_error_to_string(obj);
extern obj lean_name_mk_string(obj prefix, obj part), lean_array_push(obj, obj);
extern uint8_t lean_name_eq(obj, obj);
extern obj lean_task_get(obj);
extern obj lean_get_stdout(void), lean_get_set_stdout(obj);
extern obj lean_shell_options_mk(obj unit), lean_shell_options_process(obj options, uint32_t letter, obj argument);

/* ---- functions that Lean's compiler made of Lean definitions: 4.35.0 only ---------------------- */
extern obj l_Lean_initSearchPath(obj sysroot, obj folders);
extern obj l_Lean_Parser_mkInputContext___redArg(obj source, obj file, uint8_t normalize, obj end);
extern obj l_Lean_Parser_parseHeader(obj context);
extern obj l_Lean_Elab_HeaderSyntax_imports(obj syntax, uint8_t with_init);
extern uint8_t l_Lean_Elab_HeaderSyntax_isModule(obj syntax);
extern obj l_Lean_Elab_HeaderSyntax_startPos(obj syntax);
extern obj l_Lean_Elab_processHeaderCore(obj start, obj imports, uint8_t module, obj options, obj messages, obj context,
    uint32_t trust, obj plugins, uint8_t leak, obj main_module, obj package, obj artifacts, obj syntax, obj original);
extern obj l_Lean_Elab_checkDeprecatedImports(obj env, obj imports, obj options, obj context, obj start, obj messages,
    obj syntax, obj original);
extern uint8_t l_Lean_MessageLog_hasErrors(obj log);
extern obj l_Lean_Language_Lean_reparseOptions(obj options);
extern obj l_Lean_Environment_setMainModule(obj env, obj name), l_Lean_Elab_Command_mkState(obj env, obj messages, obj options);
extern obj l_Lean_Environment_allImportedModuleNames(obj env), l_Lean_Environment_constants(obj env);
extern obj l_Lean_Language_Lean_processCommands(obj context, obj parser, obj state, obj old);
extern obj l_Lean_Language_toSnapshotTree___redArg(obj instance, obj snapshot);
extern obj l_Lean_Language_SnapshotTree_runAndReport(obj tree, obj options, uint8_t json, obj severities);
extern obj l_Lean_Language_SnapshotTask_cancelRec___redArg(obj instance, obj task);

/* Values. They are looked up while the program runs: a program that names a library's variable gets a copy
 * of it as it was before Lean was initialised (a copy relocation), and the library goes on with its own. */
__attribute__((unused)) static obj empty_log, version_string, parsed_to_tree;
static inline void *symbol(char const *name) {
    void *p = dlsym(RTLD_DEFAULT, name);
    if (!p) { fprintf(stderr, "this Lean has no %s\n", name); _exit(1); }
    return p;
}
static inline void look_up(void) {   /* after Lean has been initialised */
    empty_log = *(obj *)symbol("l_Lean_MessageLog_empty");
    version_string = *(obj *)symbol("l_Lean_versionString");
    parsed_to_tree = *(obj *)symbol("l_Lean_Language_Lean_instToSnapshotTreeCommandParsedSnapshot");
}

static inline obj inc(obj o) {
    if (!scalar(o)) {
        if (o->h.rc > 0) o->h.rc++;
        else if (o->h.rc < 0) __atomic_sub_fetch(&o->h.rc, 1, __ATOMIC_RELAXED);
    }
    return o;
}
static inline void dec(obj o) {
    if (scalar(o)) return;
    if (o->h.rc > 1) o->h.rc--;
    else if (o->h.rc != 0) lean_dec_ref_cold(o);
}
static inline obj make(int tag, int fields, int scalars) {
    obj o = lean_alloc_object(8 + 8 * fields + scalars);
    o->h = (header){ 1, 8 + 8 * fields + scalars, fields, tag };
    memset(o->fields, 0, 8 * fields + scalars);
    return o;
}
static inline obj string_of(char const *s, size_t n) { return lean_mk_string_from_bytes(s, n); }
static inline obj cstring(char const *s) { return string_of(s, strlen(s)); }
static inline obj some(obj o) { obj r = make(1, 1, 0); r->fields[0] = o; return r; }
static inline obj empty_array(void) {
    array a = (array)lean_alloc_object(24);
    a->h = (header){ 1, 0, 0, TAG_ARRAY };
    a->used = a->room = 0;
    return (obj)a;
}
static inline obj function(void *code, int arity) {
    closure c = (closure)lean_alloc_object(24);
    c->h = (header){ 1, 0, 0, TAG_CLOSURE };
    c->code = code, c->arity = arity, c->fixed = 0;
    return (obj)c;
}
/* The value of an action's result; or 0, and the error's words in *error. */
static inline obj value_of(obj result, char **error) {
    obj v = inc(field(result, 0));
    int failed = result->h.tag != 0;
    dec(result);
    if (!failed) return v;
    obj words = lean_io_error_to_string(v);
    *error = strdup(text(words));
    dec(words);
    return 0;
}

#endif
