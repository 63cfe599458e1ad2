//! Builds the package in `lean/` and links it and the Lean runtime.
//!
//! With `DOCS_RS=1` this does nothing, like the build script of lean-sys: nothing is linked, and the crate
//! type-checks, lints and tests with no Lean on the machine.
//!
//! Else, in this order:
//!
//! 1. Lean is the folder `LEAN_SYSROOT`, or what `lean --print-prefix` answers in `lean/`, where elan reads the version
//!    from `lean-toolchain`.
//! 2. `lake build LeanpoolBackend:static` in `lean/`, with that Lean's own `lake`.
//! 3. The package is linked statically, the runtime dynamically with its folder as rpath. (The runtime's static
//!    libraries leave out parts that new versions need.) On Linux `gcc_s` comes before the runtime: official builds of it export a part of
//!    an unwinder of their own, and if Rust's references were bound to that, every panic would end the process.
//!
//! Before it is linked, two names in the package are changed. The inlined functions of `lean.h` in Lean 4.27 (no more in 4.35) take
//! small objects from `mi_malloc_small` and give them to `mi_free`, by name; in a program whose global allocator is the crate mimalloc these
//! are the program's own, and Lean would free what it never had. `allocator.rs` resolves the new names from Lean's library.
//!
//! Two things that a build script cannot do:
//!
//! - lean-sys is built before, and *its* build script panics where `lean` is not on `PATH`. It also runs `lean` in a
//!   folder with a `lean-toolchain` of its own (4.23.0), so under elan it may ask for another version than the one
//!   pinned here. In a checkout `.cargo/config.toml` keeps it from running. Elsewhere set `ELAN_TOOLCHAIN` to what
//!   `lean/lean-toolchain` says while building, or have the same table in a configuration of your own.
//! - An rpath reaches this package's tests only, not the binaries of dependents. Those need a build script with
//!   `cargo::rustc-link-arg=-Wl,-rpath,$DEP_LEANPOOL_RUNTIME_DIR`, which cargo sets for direct dependents. (`leanpool` has one.)

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn main() {
    println!("cargo::rerun-if-env-changed=DOCS_RS");
    // Set where a real Lean is linked: tests leave themselves out where neither it nor the model is there.
    println!("cargo::rustc-check-cfg=cfg(lean_linked)");
    // Set where that Lean has its own modules, too. Without them only the tests run that need none (`on_official_runtime`).
    println!("cargo::rustc-check-cfg=cfg(lean_library)");
    if env::var_os("DOCS_RS").is_some_and(|value| value == "1") {
        return;
    }
    if env::var_os("CARGO_FEATURE_ABI_MODEL").is_some() {
        println!(
            "cargo::error=the feature abi-model takes the place of Lean: set DOCS_RS=1, or leave the feature out"
        );
        return;
    }
    if let Err(message) = build_and_link() {
        // Cargo prints this as one line and fails the build.
        println!("cargo::error={message}");
    }
}

fn build_and_link() -> Result<(), String> {
    for variable in ["LEAN_SYSROOT", "ELAN_TOOLCHAIN", "PATH", "LEANPOOL_OBJCOPY"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let package = package_folder()?;
    let pinned = pinned_toolchain(&package)?;
    let sysroot = find_sysroot(&package, &pinned)?;
    // Another one may come to be in the same folder.
    for name in ["lean", "lake"] {
        println!("cargo::rerun-if-changed={}", program(&sysroot, name).display());
    }
    let version = version(&sysroot)?;
    warn_of_other_version(&version, &pinned);
    let archive = build_package(&package, &sysroot)?;
    if let Some(path) = sysroot.to_str() {
        println!("cargo::rustc-env=LEANPOOL_SYSROOT={path}");
    }
    // The version that runs is compared with this one.
    println!("cargo::rustc-env=LEANPOOL_LEAN_VERSION={version}");
    println!("cargo::metadata=LEAN_VERSION={version}");
    if sysroot.join("lib/lean/Init.olean").is_file() {
        println!("cargo::rustc-cfg=lean_library");
        println!("cargo::metadata=LIBRARY=1");
    }
    link(&archive, &sysroot.join("lib/lean"))
}

/// Where the Lake package is built: in a checkout the folder `lean/` itself, which the one in this crate is a link to; else
/// a copy, because the sources of a crate from a registry are not to be written to.
fn package_folder() -> Result<PathBuf, String> {
    let manifest =
        env::var_os("CARGO_MANIFEST_DIR").ok_or("CARGO_MANIFEST_DIR is not set: run this through cargo")?;
    let named = Path::new(&manifest).join("lean");
    let package = named.canonicalize().map_err(|error| {
        format!("cannot find the Lake package at {} ({error}): is this crate complete?", named.display())
    })?;
    // Not the folder itself: `lake` writes below it, and that would build it anew each time.
    for file in ["lakefile.toml", "lean-toolchain", "LeanpoolBackend.lean", "LeanpoolBackend"] {
        println!("cargo::rerun-if-changed={}", package.join(file).display());
    }
    if named.is_symlink() {
        return Ok(package);
    }
    let copy = out_folder()?.join("lean");
    copy_folder(&package, &copy)
        .map_err(|error| format!("cannot copy {} to {} ({error})", package.display(), copy.display()))?;
    Ok(copy)
}

fn out_folder() -> Result<PathBuf, String> {
    env::var_os("OUT_DIR")
        .map(PathBuf::from)
        .ok_or_else(|| "OUT_DIR is not set: run this through cargo".to_owned())
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    // The sources may be read-only, and then so would be what an earlier run has copied.
    let write = |text: Vec<u8>, to: &Path| {
        let is_same = fs::read(to).is_ok_and(|there| there == text);
        if is_same { Ok(()) } else { fs::write(to, text) }
    };
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == ".lake" {
            continue;
        }
        if from.is_dir() { copy_folder(&from, &to)? } else { write(fs::read(&from)?, &to)? }
    }
    Ok(())
}

/// What `lean/lean-toolchain` pins, such as `leanprover/lean4:v4.27.0`.
fn pinned_toolchain(package: &Path) -> Result<String, String> {
    let file = package.join("lean-toolchain");
    let text =
        fs::read_to_string(&file).map_err(|error| format!("cannot read {} ({error})", file.display()))?;
    Ok(text.trim().to_owned())
}

fn find_sysroot(package: &Path, pinned: &str) -> Result<PathBuf, String> {
    let get_it =
        format!("install elan (https://github.com/leanprover/elan), then `elan toolchain install {pinned}`");
    let sysroot = match env::var_os("LEAN_SYSROOT") {
        // `lake` is started in another folder than this.
        Some(path) if !path.is_empty() => std::path::absolute(&path).unwrap_or_else(|_| PathBuf::from(path)),
        _ => {
            let output = run(Command::new("lean").arg("--print-prefix").current_dir(package))
                .map_err(|error| format!("no Lean found: {error}; {get_it}, or set LEAN_SYSROOT"))?;
            PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
        }
    };
    if sysroot.join("lib/lean").is_dir() {
        Ok(sysroot)
    } else {
        Err(format!("no Lean at {}: there is no folder lib/lean in it; {get_it}", sysroot.display()))
    }
}

/// The version of the Lean in `sysroot`: `4.27.0`.
fn version(sysroot: &Path) -> Result<String, String> {
    let output = run(Command::new(program(sysroot, "lean")).arg("--version"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    // "Lean (version 4.27.0, x86_64-unknown-linux-gnu, commit …)"
    let number = said.split_once("version ").and_then(|(_, rest)| rest.split([',', ')']).next());
    number
        .map(|number| number.trim().to_owned())
        .ok_or_else(|| format!("`lean --version` says something else than a version: {}", said.trim()))
}

/// One clear line where the version found is not the one that was tried.
fn warn_of_other_version(version: &str, pinned: &str) {
    let tried = pinned.rsplit_once(":v").map_or(pinned, |(_, version)| version);
    if version != tried {
        println!("cargo::warning=Lean {tried} is what was tried; found: {version}");
    }
}

/// Builds the static library of the package and returns the path of a copy: what lies in Lake's folder may be gone when the next
/// program is linked (`lake clean`), and cargo would not know.
fn build_package(package: &Path, sysroot: &Path) -> Result<PathBuf, String> {
    // `lake` looks for `lean` next to itself and on PATH; both shall be the same one.
    let mut path = OsString::from(sysroot.join("bin"));
    if let Some(rest) = env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    let mut lake = Command::new(program(sysroot, "lake"));
    run(lake.args(["build", "LeanpoolBackend:static"]).current_dir(package).env("PATH", path))?;
    let archive = package.join(".lake/build/lib/libleanpool_LeanpoolBackend.a");
    let copy = out_folder()?.join("libleanpool_LeanpoolBackend.a");
    fs::copy(&archive, &copy).map_err(|error| {
        format!(
            "`lake build LeanpoolBackend:static` wrote no {} that can be copied ({error}): is this another version of Lake?",
            archive.display()
        )
    })?;
    rename_inlined(&copy)?;
    Ok(copy)
}

/// What `lean.h` inlines, and `allocator.rs` defines with `leanpool_` before it.
const INLINED: [&str; 2] = ["mi_malloc_small", "mi_free"];

/// Gives the names in `archive` that [`INLINED`] lists other names, with the program that `LEANPOOL_OBJCOPY` names, or the first that
/// can be run.
fn rename_inlined(archive: &Path) -> Result<(), String> {
    let refers_to_them = || {
        let bytes =
            fs::read(archive).map_err(|error| format!("cannot read {} ({error})", archive.display()))?;
        // As in a table of names: whole, up to the NUL behind it.
        let has = |name: &&str| {
            let name = [b"\0", name.as_bytes(), b"\0"].concat();
            bytes.windows(name.len()).any(|window| window == name)
        };
        Ok::<_, String>(INLINED.iter().any(has))
    };
    if !refers_to_them()? {
        return Ok(());
    }
    // binutils' is where a C compiler is; the others come with LLVM and with Rust.
    let of_rust = || {
        let libraries = run(Command::new(env::var_os("RUSTC")?).args(["--print", "target-libdir"])).ok()?;
        let libraries = PathBuf::from(String::from_utf8_lossy(&libraries.stdout).trim());
        Some(libraries.parent()?.join("bin/rust-objcopy").into_os_string())
    };
    let programs = match env::var_os("LEANPOOL_OBJCOPY") {
        Some(named) => vec![named],
        None => {
            [Some("objcopy".into()), Some("llvm-objcopy".into()), of_rust()].into_iter().flatten().collect()
        }
    };
    for program in programs {
        let renamed = INLINED.map(|name| format!("--redefine-sym={name}=leanpool_{name}"));
        let ran = Command::new(&program).args(renamed).arg(archive).status();
        if ran.is_ok_and(|status| status.success()) && !refers_to_them()? {
            return Ok(());
        }
    }
    println!(
        "cargo::warning=no objcopy can be run (binutils and LLVM have one): programs whose global allocator is mimalloc can't use Lean, and \
         `LeanRuntime::init` will say so"
    );
    println!("cargo::rustc-env=LEANPOOL_INLINED_NAMES=kept");
    Ok(())
}

fn link(archive: &Path, runtime: &Path) -> Result<(), String> {
    let libraries = runtime_libraries(runtime)?;
    if let Some(folder) = archive.parent() {
        println!("cargo::rustc-link-search=native={}", folder.display());
    }
    println!("cargo::rustc-link-search=native={}", runtime.display());
    println!("cargo::rustc-link-lib=static=leanpool_LeanpoolBackend");
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo::rustc-link-lib=dylib=gcc_s");
    }
    for library in libraries {
        println!("cargo::rustc-link-lib=dylib={library}");
    }
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", runtime.display());
    println!("cargo::metadata=RUNTIME_DIR={}", runtime.display());
    println!("cargo::rustc-cfg=lean_linked");
    Ok(())
}

/// The runtime is one library on Linux, and split on macOS: those that exist are linked.
fn runtime_libraries(runtime: &Path) -> Result<Vec<&'static str>, String> {
    let suffix = match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux") => "so",
        Ok("macos") => "dylib",
        other => {
            return Err(format!(
                "linking Lean on {} is not known here: Linux and macOS are",
                other.unwrap_or("?")
            ));
        }
    };
    let exists = |name: &&str| runtime.join(format!("lib{name}.{suffix}")).is_file();
    if !exists(&"leanshared") {
        return Err(format!("no libleanshared.{suffix} in {}: reinstall Lean", runtime.display()));
    }
    Ok(["leanshared", "leanshared_1", "leanshared_2", "Init_shared"].into_iter().filter(exists).collect())
}

fn program(sysroot: &Path, name: &str) -> PathBuf {
    sysroot.join("bin").join(name)
}

/// Runs `command`. Where it fails, what it said comes as warnings, and the error is one line.
fn run(command: &mut Command) -> Result<Output, String> {
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
    let line = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let output = command.output().map_err(|error| format!("cannot run `{line}` ({error})"))?;
    if output.status.success() {
        return Ok(output);
    }
    for said in [&output.stdout, &output.stderr] {
        String::from_utf8_lossy(said).lines().for_each(|line| println!("cargo::warning={line}"));
    }
    Err(format!("`{line}` failed ({})", output.status))
}
