/*
 * package.c - a stand-in for the Lake package in lean/, on the official library of Lean 4.35.0 (see get.sh): exports what the package
 * exports, over the functions that Lean's own compiler made of Lean's definitions. So the crate lean-backend runs on the official runtime,
 * with no .olean of Lean's own. `lake` in this folder compiles it as the real one would compile the package.
 *
 * Imports share what was read of an import list between imports of that list (the package does so for each module), keep what a name stands
 * for, and remember a failed initialiser. Checks go through Lean's own driver. Left out: printing types (leanpool_declaration_type), linters.
 *
 * Small objects that are made here come from mi_malloc_small and go to mi_free, by name, as the inlined functions of lean.h do in code that
 * was compiled with Lean 4.27: so what becomes of these two names in a Rust program is tried here, too.
 */
#define _GNU_SOURCE
#include "lean435.h"
#include <pthread.h>
#include <sys/stat.h>

extern void *mi_malloc_small(size_t);
extern void mi_free(void *);
extern obj lean_st_mk_ref(obj), lean_st_ref_get(obj), lean_mk_io_user_error(obj);
extern void *lean_register_external_class(void (*finalize)(void *), void (*foreach)(void *, obj));
extern obj l_Lean_importModulesCore(obj imports, uint8_t level, obj artifacts, uint8_t exported, uint8_t, obj state);
extern obj l_Lean_finalizeImport(obj state, obj imports, obj options, uint32_t trust, uint8_t leak, uint8_t extensions, uint8_t level,
    uint8_t module, uint8_t);
extern obj l_Lean_withImporting___redArg(obj action);
extern obj l_Lean_Environment_find_x3f(obj env, obj name, uint8_t skip_realize);

/* ---- objects made here ---------------------------------------------------------------------------- */
static obj small(int tag, int fields, int scalars) {
    obj o = mi_malloc_small(8 + 8 * fields + scalars);
    o->h = (header){ 1, 8 + 8 * fields + scalars, fields, tag };
    memset(o->fields, 0, 8 * fields + scalars);
    return o;
}
static obj ok(obj value) { obj r = small(0, 1, 0); r->fields[0] = value; return r; }
static obj failed(obj error) { obj r = small(1, 1, 0); r->fields[0] = error; return r; }
static obj user_error(char const *words) { return failed(lean_mk_io_user_error(cstring(words))); }
/* The value of an IO result that only this thread has; the result goes as inlined code lets it go. */
static int opened(obj result, obj *value) {
    int good = result->h.tag == 0;
    if (result->h.rc != 1) { *value = inc(field(result, 0)); dec(result); return good; }
    *value = field(result, 0);
    mi_free(result);
    return good;
}
static obj boxed_u64(uint64_t n) { obj r = small(0, 0, 8); memcpy(r->fields, &n, 8); return r; }
static obj pair(obj a, obj b) { obj r = small(1, 2, 0); r->fields[0] = a, r->fields[1] = b; return r; }
static size_t count(obj a) { return ((array)a)->used; }
static obj item(obj a, size_t i) { return ((array)a)->items[i]; }

/* ---- names ------------------------------------------------------------------------------------------ */
static obj name_of(char const *s, size_t n) {   /* box(0), the anonymous name, if a component is missing */
    obj name = box(0);
    for (size_t at = 0, end; at <= n; at = end + 1) {
        for (end = at; end < n && s[end] != '.'; end++)
            if (s[end] == 0 || s[end] == '/') { dec(name); return box(0); }
        if (end == at) { dec(name); return box(0); }
        name = lean_name_mk_string(name, string_of(s + at, end - at));
    }
    return name;
}
/* Writes a name of a library's, which has no component that would need quoting. */
static void write_name(FILE *to, obj name) {
    if (scalar(name)) return;
    if (!scalar(field(name, 0))) { write_name(to, field(name, 0)); fputc('.', to); }
    if (name->h.tag == 1) fwrite(text(field(name, 1)), 1, bytes(field(name, 1)), to);
    else if (scalar(field(name, 1))) fprintf(to, "%zu", (size_t)field(name, 1) >> 1);
}
static char *words_of(obj name) {
    char *s;
    size_t n;
    FILE *to = open_memstream(&s, &n);
    write_name(to, name);
    fclose(to);
    return s;
}

/* ---- options ------------------------------------------------------------------------------------------ */
/* Lean's options as the command `lean` makes them of its -D arguments. */
static obj options_of(char const *const *settings) {
    obj shell = inc(lean_shell_options_mk(box(0)));
    for (; *settings; settings++) {
        char *error = 0;
        shell = value_of(lean_shell_options_process(shell, 'D', some(cstring(*settings))), &error);
        if (!shell) { fprintf(stderr, "package.c: %s: %s\n", *settings, error); abort(); }
    }
    obj options = inc(field(shell, 0));
    dec(shell);
    return options;
}
static obj driver_options, report_options;   /* made once, for all threads */
/* With a limit of heartbeats. The last ones are kept: what Lean makes of -D arguments lives for ever. */
static obj limited_options(uint64_t heartbeats) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static uint64_t last;
    static obj kept;
    char limit[60];
    snprintf(limit, sizeof limit, "maxHeartbeats=%llu", (unsigned long long)heartbeats);
    char const *with[] = { "internal.cmdlineSnapshots=true", "Elab.async=true", limit, 0 };
    pthread_mutex_lock(&lock);
    if (last != heartbeats) { kept = options_of(with), last = heartbeats; lean_mark_mt(kept); }
    obj options = inc(kept);
    pthread_mutex_unlock(&lock);
    return options;
}
static void make_options(void) {
    char const *driver[] = { "internal.cmdlineSnapshots=true", "Elab.async=true", 0 };
    char const *report[] = { driver[0], driver[1], "maxErrors=0", 0 };   /* the limit is kept here, in `say` */
    driver_options = options_of(driver), report_options = options_of(report);
    lean_mark_mt(driver_options), lean_mark_mt(report_options);
}

/* ---- starting ------------------------------------------------------------------------------------------ */
static obj init_attribute;   /* the extension's name */
static void *token_class;
static void free_token(void *token);
static void no_children(void *token, obj f) { (void)token, (void)f; }

obj initialize_leanpool_LeanpoolBackend(uint8_t builtin, obj world) {
    (void)builtin, (void)world;
    look_up();
    init_attribute = name_of("Lean.regularInitAttr", 20);
    lean_mark_mt(init_attribute);
    token_class = lean_register_external_class(free_token, no_children);
    make_options();
    dec(lean_internal_set_thread_stack_size(256 << 20));
    return ok(box(0));
}
obj leanpool_version(obj world) { (void)world; return ok(inc(version_string)); }

/* ---- imports -------------------------------------------------------------------------------------------- */
/* One at a time in a process, as Lean wants it: what is kept needs no lock. */
static struct known { char *name; char *path; dev_t device; ino_t inode; off_t size; struct timespec modified; int initialises, ran; char *spoiled; }
    *known;
static size_t n_known;
static struct shared { char *key; obj state; } *shared;
static size_t n_shared;
static uint64_t initialised;   /* modules whose initialisers an import ran */

static obj parse_import(char const *s, size_t n) {
    obj import = make(0, 1, 8);
    uint8_t *flags = (uint8_t *)&import->fields[1];   /* importAll, isExported, isMeta */
    size_t last = 0;
    for (size_t at = 0; at <= n; at++)
        if (at == n || s[at] == ' ') {
            char const *word = s + last;
            size_t length = at - last;
            if (at == n) import->fields[0] = name_of(word, length);
            else if (length == 3 && memcmp(word, "all", 3) == 0) flags[0] = 1;
            else if (length == 6 && memcmp(word, "public", 6) == 0) flags[1] = 1;
            else if (length == 4 && memcmp(word, "meta", 4) == 0) flags[2] = 1;
            last = at + 1;
        }
    return import;
}

/* What of an import state is about one module: the pairs of data and region that were read. */
static obj module_parts(obj state, obj name) {
    obj buckets = field(field(state, 0), 1);
    for (size_t i = 0; i < count(buckets); i++)
        for (obj cell = item(buckets, i); !scalar(cell); cell = field(cell, 2))
            if (lean_name_eq(field(cell, 0), name)) return field(field(cell, 1), 1);
    return 0;
}
static int has_initialisers(obj parts) {
    for (size_t i = 0; i < count(parts); i++) {
        obj entries = field(field(item(parts, i), 0), 4);
        for (size_t k = 0; k < count(entries); k++)
            if (lean_name_eq(field(item(entries, k), 0), init_attribute) && count(field(item(entries, k), 1)) > 0) return 1;
    }
    return 0;
}
static struct known *look(char const *name) {
    for (size_t i = 0; i < n_known; i++) if (strcmp(known[i].name, name) == 0) return &known[i];
    return 0;
}

/* Refuses what another import with extensions knows by another file, if initialisers matter in either, and modules whose initialisers
 * failed. Returns 0, or the error. */
static obj admit(obj state) {
    obj names = field(state, 1);
    for (size_t i = 0; i < count(names); i++) {
        obj parts = module_parts(state, item(names, i));
        struct stat s;
        if (!parts || count(parts) == 0) continue;
        char *name = words_of(item(names, i)), *path = strdup(text(field(field(item(parts, 0), 1), 0)));
        if (stat(path, &s) != 0) memset(&s, 0, sizeof s);
        struct known now = { name, path, s.st_dev, s.st_ino, s.st_size, s.st_mtim, has_initialisers(parts), 0, 0 }, *before = look(name);
        if (!before) {
            known = realloc(known, (n_known + 1) * sizeof *known);
            known[n_known++] = now;
            continue;
        }
        int same = strcmp(before->path, path) == 0 && before->device == now.device && before->inode == now.inode && before->size == now.size
            && memcmp(&before->modified, &now.modified, sizeof now.modified) == 0;
        char *words = 0;
        if (before->spoiled) {
            if (asprintf(&words, "module %s cannot be imported with extensions any more, because its initialisers failed in this process and would "
                "be passed over: restart the process (%s)", name, before->spoiled) < 0) abort();
        } else if (!same && (before->initialises || now.initialises)) {
            char const *form = strcmp(before->path, path) == 0 ? "'%2$s' of module %1$s changed since it was imported from '%3$s', because "
                "initialisers run once a process for each name: restart the process, or import without extensions"
                : "module %1$s was imported from '%3$s', and cannot be from '%2$s', too, because initialisers run once a process for each "
                "name: restart the process, or import without extensions";
            if (asprintf(&words, form, name, path, before->path) < 0) abort();
        }
        free(name), free(path);
        if (words) { obj error = user_error(words); free(words); return error; }
    }
    return 0;
}
/* Notes which modules' initialisers ran in an import with extensions; `failure`: it failed, and why. */
static void record(obj state, char const *failure) {
    obj names = field(state, 1);
    struct known *last = 0;
    for (size_t i = 0; i < count(names); i++) {
        char *name = words_of(item(names, i));
        struct known *k = look(name);
        free(name);
        if (!k || !k->initialises || k->ran) continue;
        k->ran = 1, last = k, initialised++;
    }
    if (failure && last) last->spoiled = strdup(failure);
}

static struct { obj imports; char *key; int module, extensions, shared, pinned; } request;

static obj walk(void) {   /* an import state, with a reference; or 0, and the result that says why not in request.imports */
    for (size_t i = 0; request.shared && i < n_shared; i++) if (strcmp(shared[i].key, request.key) == 0) return inc(shared[i].state);
    obj first = *(obj *)symbol("l_Lean_instInhabitedImportState_default"), ref = lean_st_mk_ref(inc(first)), value;
    if (!opened(l_Lean_importModulesCore(request.imports, request.module ? 0 : 2, box(1), request.module, 0, ref), &value)) {
        dec(ref);
        request.imports = failed(value);
        return 0;
    }
    dec(value);
    obj state = lean_st_ref_get(ref);
    dec(ref);
    if (request.shared) {
        lean_mark_mt(state);
        shared = realloc(shared, (n_shared + 1) * sizeof *shared);
        shared[n_shared++] = (struct shared){ strdup(request.key), inc(state) };
    }
    return state;
}
static obj import_action(obj world) {   /* inside Lean.withImporting */
    (void)world;
    obj imports = request.imports, state = walk();
    if (!state) { dec(imports); return request.imports; }
    obj refused = request.extensions ? admit(state) : 0;
    if (refused) { dec(imports), dec(state); return refused; }
    obj result = l_Lean_finalizeImport(state, imports, inc(driver_options), 0, request.pinned, request.extensions,
        request.module ? 0 : 2, request.module, 0);
    if (request.extensions) {
        char *words = 0;
        if (result->h.tag != 0) { obj s = lean_io_error_to_string(inc(field(result, 0))); words = strdup(text(s)); dec(s); }
        record(state, words);
        free(words);
    }
    dec(state);
    return result;
}

obj leanpool_import(obj sysroot, obj paths, obj imports, uint8_t is_module, uint8_t load_exts, uint8_t share, uint8_t pinned, obj world) {
    (void)world;
    obj folders = box(0), value;
    size_t n;
    FILE *key = open_memstream(&request.key, &n);
    fprintf(key, "%d\n", is_module);
    for (size_t i = count(paths); i-- > 0;) folders = pair(inc(item(paths, i)), folders);
    for (size_t i = 0; i < count(paths); i++) fprintf(key, "%s\n", text(item(paths, i)));
    if (!opened(l_Lean_initSearchPath(sysroot, folders), &value)) { fclose(key); return failed(value); }
    dec(value), dec(paths);
    request.imports = empty_array();
    request.module = is_module, request.extensions = load_exts, request.shared = share, request.pinned = pinned;
    int anonymous = 0;
    for (size_t i = 0; i < count(imports); i++) {
        obj s = item(imports, i), import = parse_import(text(s), bytes(s));
        fprintf(key, "import %s\n", text(s));
        anonymous |= scalar(field(import, 0));
        request.imports = lean_array_push(request.imports, import);
    }
    fclose(key);
    dec(imports);
    if (anonymous) { free(request.key); dec(request.imports); return user_error("import failed, trying to import module with anonymous name"); }
    if (load_exts) dec(lean_enable_initializer_execution());
    obj result = l_Lean_withImporting___redArg(function(import_action, 1));
    free(request.key);
    return result;
}
obj leanpool_shares_regions(obj world) { (void)world; return ok(box(1)); }
obj leanpool_shared_modules(obj world) {   /* the union of what was read for sharing */
    (void)world;
    uint64_t n = 0;
    for (size_t i = 0; i < n_shared; i++)
        for (size_t k = 0; k < count(field(shared[i].state, 1)); k++) {
            obj name = item(field(shared[i].state, 1), k);
            int before = 0;
            for (size_t j = 0; j < i && !before; j++) before = module_parts(shared[j].state, name) != 0;
            n += !before;
        }
    return ok(boxed_u64(n));
}
obj leanpool_extension_epoch(obj world) {
    (void)world;
    static obj *extensions;
    if (!extensions) extensions = symbol("l___private_Lean_Environment_0__Lean_EnvExtension_envExtensionsRef");
    obj all = lean_st_ref_get(*extensions);
    uint64_t n = count(all) + initialised;
    dec(all);
    return ok(boxed_u64(n));
}

/* ---- questions ------------------------------------------------------------------------------------------ */
uint64_t leanpool_environment_modules(obj env) {
    obj names = l_Lean_Environment_allImportedModuleNames(env);   /* borrows */
    uint64_t n = count(names);
    dec(names), dec(env);
    return n;
}
/* A constant map is two maps; the first, of the imports, is a hash table: its size, and buckets. */
uint64_t leanpool_environment_constants(obj env) {
    obj constants = l_Lean_Environment_constants(env);
    uint64_t n = (size_t)field(field(constants, 0), 0) >> 1;
    dec(constants);
    return n;
}
uint8_t leanpool_declaration_kind(obj env, obj name) {
    obj wanted = name_of(text(name), bytes(name));
    dec(name);
    if (scalar(wanted)) { dec(env); return 0; }
    obj found = l_Lean_Environment_find_x3f(env, wanted, 0);
    uint8_t kind = scalar(found) ? 0 : field(found, 0)->h.tag + 1;
    dec(found);
    return kind;
}
obj leanpool_declaration_type(obj env, obj name, obj world) {
    (void)world;
    dec(env), dec(name);
    return user_error("this stand-in for the package prints no types");
}
static int by_text(void const *a, void const *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
obj leanpool_declarations(obj env, obj root, uint64_t limit) {
    obj constants = l_Lean_Environment_constants(env), buckets = field(field(constants, 0), 1), result = empty_array();
    size_t n = 0, length = bytes(root);
    char **names = malloc(((size_t)field(field(constants, 0), 0) >> 1) * sizeof *names + sizeof *names);
    for (size_t i = 0; i < count(buckets); i++)
        for (obj cell = item(buckets, i); !scalar(cell); cell = field(cell, 2)) {
            char *name = words_of(field(cell, 0));
            int below = length == 0 || (strncmp(name, text(root), length) == 0 && (name[length] == 0 || name[length] == '.'));
            if (below && name[0] != '_' && !strstr(name, "._")) names[n++] = name; else free(name);
        }
    qsort(names, n, sizeof *names, by_text);
    for (size_t i = 0; i < n; i++) {
        if (i < limit) result = lean_array_push(result, cstring(names[i]));
        free(names[i]);
    }
    free(names);
    dec(constants), dec(root);
    return result;
}

struct front { obj context, syntax, parser, messages; };
static int read_header(obj source, obj file, struct front *f, obj *error) {   /* takes both */
    f->context = l_Lean_Parser_mkInputContext___redArg(source, file, 1, box(bytes(source)));
    obj both;
    if (!opened(l_Lean_Parser_parseHeader(inc(f->context)), &both)) { dec(f->context); *error = both; return 0; }
    f->syntax = inc(field(both, 0)), f->parser = inc(field(field(both, 1), 0)), f->messages = inc(field(field(both, 1), 1));
    dec(both);
    return 1;
}
static void let_go(struct front *f) { dec(f->context), dec(f->syntax), dec(f->parser), dec(f->messages); }

/* ---- messages -------------------------------------------------------------------------------------------- */
static struct token { pthread_mutex_t lock; int requested; obj task; } *token_in(obj external) { return (struct token *)field(external, 1); }

/* What one check says. Lean's own reporting writes each message as a line of `lean --json` to the standard output of the thread that reports;
 * here that is a stream of the check's own. */
struct saying { FILE *to; struct token *token; obj first; int messages, errors, full; };
enum { MAX_ERRORS = 100 };
static void cancel_task(obj task);

/* Where in a line the value of a key begins and ends. */
static char const *value_at(char const *line, char const *key, char const **end) {
    size_t n = strlen(key);
    for (char const *p = line + 1; *p == '"';) {
        char const *v = strstr(p, "\":");
        int found = strncmp(p + 1, key, n) == 0 && p[n + 1] == '"';
        if (!v) return 0;
        v += 2, p = v;
        for (int depth = 0, in = 0; *p; p++) {
            if (in) { if (*p == '\\') p++; else if (*p == '"') in = 0; }
            else if (*p == '"') in = 1;
            else if (*p == '{' || *p == '[') depth++;
            else if ((*p == '}' || *p == ']' || *p == ',') && depth == 0) break;
            else if (*p == '}' || *p == ']') depth--;
        }
        if (found) { *end = p; return v; }
        if (*p == ',') p++;
    }
    return 0;
}
static void put(struct saying *said, char const *line, char const *key) {
    char const *end, *value = value_at(line, key, &end);
    if (value) fwrite(value, 1, end - value, said->to); else fputs("null", said->to);
}
static void say(struct saying *said, char const *line) {
    char const *end, *severity = value_at(line, "severity", &end);
    if (said->full || said->token->requested || !severity) return;
    said->errors += strncmp(severity, "\"error\"", 7) == 0;
    said->full = said->errors > MAX_ERRORS;
    fputs(said->messages++ ? ",{\"end\":" : "{\"end\":", said->to);
    put(said, line, "endPos");
    fputs(",\"severity\":", said->to), put(said, line, "severity");
    fputs(",\"start\":", said->to), put(said, line, "pos");
    fputs(",\"text\":", said->to);
    if (said->full) fprintf(said->to, "\"maximum number of errors (%d; from option `maxErrors`) reached, exiting\"", MAX_ERRORS);
    else put(said, line, "data");
    fputc('}', said->to);
    if (said->full) cancel_task(said->first);
}
static obj put_string(obj saying, obj s, obj world) {
    (void)world;
    say((struct saying *)((size_t)saying & ~(size_t)1), text(s));
    dec(s);
    return ok(box(0));
}
static obj flush_nothing(obj world) { (void)world; return ok(box(0)); }

/* Sets this thread's standard output to the check's; returns what it was. A stream: flush, read, write, getLine, putStr, isTty. */
static obj redirect(struct saying *said) {
    obj old = lean_get_stdout(), stream = make(0, 6, 0);
    for (int i = 0; i < 6; i++) stream->fields[i] = inc(field(old, i));
    dec(old);
    closure c = (closure)lean_alloc_object(32);
    c->h = (header){ 1, 0, 0, TAG_CLOSURE };
    c->code = put_string, c->arity = 3, c->fixed = 1, c->args[0] = (obj)((size_t)said | 1);   /* looks like a number */
    dec(stream->fields[0]), stream->fields[0] = function(flush_nothing, 1);
    dec(stream->fields[4]), stream->fields[4] = (obj)c;
    return lean_get_set_stdout(stream);
}
static obj report_tree(obj tree) { return l_Lean_Language_SnapshotTree_runAndReport(tree, report_options, 1, box(1)); }

/* Reports a log that belongs to no command, as a tree of one snapshot. Takes the log. */
static void report_log(obj log) {
    obj diagnostics = make(0, 2, 0), traces = make(0, 1, 8), snapshot = make(0, 4, 8), tree = make(0, 2, 0);
    diagnostics->fields[0] = log, diagnostics->fields[1] = box(0);
    traces->fields[0] = inc(field(empty_log, 0));   /* an empty sequence, as the log's own */
    snapshot->fields[0] = cstring("leanpool"), snapshot->fields[1] = diagnostics, snapshot->fields[2] = box(0), snapshot->fields[3] = traces;
    tree->fields[0] = snapshot, tree->fields[1] = empty_array();
    dec(report_tree(tree));
}

obj leanpool_header(obj source, obj file, obj world) {
    (void)world;
    struct front f;
    obj error, words = empty_array(), name = inc(file);
    if (!read_header(source, file, &f, &error)) { dec(words), dec(name); return failed(error); }
    if (l_Lean_MessageLog_hasErrors(f.messages)) {   /* in the words of the first message that reporting it prints */
        struct token never = { PTHREAD_MUTEX_INITIALIZER, 0, 0 };
        char *said = 0, *line, *at;
        size_t n;
        struct saying saying = { open_memstream(&said, &n), &never, 0, 0, 0, 0 };
        obj old = redirect(&saying);
        report_log(inc(f.messages));
        dec(lean_get_set_stdout(old));
        fclose(saying.to);
        unsigned l = 0, c = 0;
        if ((at = strstr(said, "\"start\":{\"column\":"))) sscanf(at, "\"start\":{\"column\":%u,\"line\":%u", &c, &l);
        at = strstr(said, "\"text\":\"");
        char *words_end = at ? strstr(at += 8, "\"}") : 0;
        if (asprintf(&line, "%s:%u:%u: %.*s", text(name), l, c, (int)(words_end ? words_end - at : 0), at ? at : "") < 0) abort();
        obj result = user_error(line);
        free(line), free(said), dec(words), dec(name), let_go(&f);
        return result;
    }
    if (l_Lean_Elab_HeaderSyntax_isModule(f.syntax)) words = lean_array_push(words, cstring("module"));
    obj imports = l_Lean_Elab_HeaderSyntax_imports(inc(f.syntax), 1);
    for (size_t i = 0; i < count(imports); i++) {
        uint8_t const *flags = (uint8_t const *)&item(imports, i)->fields[1];
        char *module = words_of(field(item(imports, i), 0)), *word;
        if (asprintf(&word, "%s%s%s%s", flags[1] ? "public " : "", flags[2] ? "meta " : "", flags[0] ? "all " : "", module) < 0) abort();
        words = lean_array_push(words, cstring(word));
        free(module), free(word);
    }
    dec(imports), dec(name), let_go(&f);
    return ok(words);
}

/* ---- checks ------------------------------------------------------------------------------------------------ */
static void free_token(void *token) { pthread_mutex_destroy(&((struct token *)token)->lock); free(token); }
obj leanpool_cancel_token_new(obj world) {
    (void)world;
    struct token *token = calloc(1, sizeof *token);
    pthread_mutex_init(&token->lock, 0);
    obj external = small(254, 2, 0);   /* its class, its value */
    external->h.others = 0;
    external->fields[0] = token_class, external->fields[1] = token;
    return ok(external);
}
static void cancel_task(obj task) {   /* sets the tokens of what a command started and of all after it */
    obj t = make(0, 4, 0);             /* SnapshotTask: syntax?, range, token?, task */
    t->fields[0] = t->fields[1] = t->fields[2] = box(0);
    t->fields[3] = inc(task);
    dec(l_Lean_Language_SnapshotTask_cancelRec___redArg(parsed_to_tree, t));
}
static void watch(struct token *token, obj task) {   /* from now on, `task` is what there is to cancel */
    pthread_mutex_lock(&token->lock);
    token->task = task;
    int requested = token->requested;
    pthread_mutex_unlock(&token->lock);
    if (requested && task) cancel_task(task);
}
obj leanpool_cancel_token_set(obj external, obj world) {
    (void)world;
    struct token *token = token_in(external);
    pthread_mutex_lock(&token->lock);
    token->requested = 1;
    obj task = token->task ? inc(token->task) : 0;
    pthread_mutex_unlock(&token->lock);
    if (task) cancel_task(task), dec(task);
    dec(external);
    return ok(box(0));
}

static obj main_module(obj path) {
    char const *s = text(path);
    obj name = box(0);
    if (!*s) return lean_name_mk_string(name, cstring("_stdin"));
    for (size_t n; ; s += n + 1) {
        n = strcspn(s, "/");
        name = lean_name_mk_string(name, string_of(s, n));
        if (!s[n]) return name;
    }
}
static void elaborate(obj env, obj file, obj module, obj source, uint64_t heartbeats, struct saying *said) {   /* takes all objects */
    struct front f;
    obj error;
    if (!read_header(source, file, &f, &error)) { dec(error), dec(env), dec(module); return; }
    int bad = l_Lean_MessageLog_hasErrors(f.messages);
    report_log(inc(f.messages));
    if (bad || said->token->requested) { let_go(&f), dec(env), dec(module); return; }
    obj unread = heartbeats ? limited_options(heartbeats) : inc(driver_options), options;
    if (!opened(l_Lean_Language_Lean_reparseOptions(unread), &options)) { let_go(&f), dec(options), dec(env), dec(module); return; }
    env = l_Lean_Environment_setMainModule(env, main_module(module));
    dec(module);
    obj state = l_Lean_Elab_Command_mkState(env, inc(empty_log), options);
    obj task = l_Lean_Language_Lean_processCommands(inc(f.context), inc(f.parser), state, box(0));
    lean_mark_mt(task);
    said->first = task;
    watch(said->token, task);
    dec(report_tree(l_Lean_Language_toSnapshotTree___redArg(parsed_to_tree, inc(lean_task_get(task)))));
    watch(said->token, 0);
    dec(task), let_go(&f);
}
obj leanpool_check(obj env, obj file, obj module, obj source, uint64_t heartbeats, obj external, obj world) {
    (void)world;
    struct token *token = token_in(external);
    char *said = 0;
    size_t n;
    struct saying saying = { open_memstream(&said, &n), token, 0, 0, 0, 0 };
    obj old = redirect(&saying);
    fputs("{\"messages\":[", saying.to);
    if (token->requested) dec(env), dec(file), dec(module), dec(source);
    else elaborate(env, file, module, source, heartbeats, &saying);
    fprintf(saying.to, "],\"cancelled\":%s}", token->requested ? "true" : "false");
    fclose(saying.to);
    dec(lean_get_set_stdout(old));
    obj report = string_of(said, n);
    free(said), dec(external);
    return ok(report);
}
