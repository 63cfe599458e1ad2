//! Where a real Lean is linked (feature `lean`), lets what is built here find its library when it starts. An rpath that
//! lean-backend's build script asks for reaches only that crate's own tests.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(lean_linked)");
    // Set where that Lean has its own modules, too: see the build script of lean-backend.
    println!("cargo::rustc-check-cfg=cfg(lean_library)");
    println!("cargo::rerun-if-env-changed=DEP_LEANPOOL_RUNTIME_DIR");
    println!("cargo::rerun-if-env-changed=DEP_LEANPOOL_LIBRARY");
    println!("cargo::rerun-if-env-changed=DEP_LEANPOOL_LEAN_VERSION");
    if std::env::var_os("DEP_LEANPOOL_LIBRARY").is_some() {
        println!("cargo::rustc-cfg=lean_library");
    }
    if let Ok(version) = std::env::var("DEP_LEANPOOL_LEAN_VERSION") {
        println!("cargo::rustc-env=LEANPOOL_LEAN_VERSION={version}");
    }
    if let Ok(folder) = std::env::var("DEP_LEANPOOL_RUNTIME_DIR") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
        println!("cargo::rustc-env=LEANPOOL_RPATH={folder}");
        println!("cargo::rustc-cfg=lean_linked");
    }
}
