//! Where a real Lean is linked (feature `lean`), lets what is built here find its library when it starts. An rpath that
//! lean-backend's build script asks for reaches only that crate's own tests.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(lean_linked)");
    println!("cargo::rerun-if-env-changed=DEP_LEANPOOL_RUNTIME_DIR");
    if let Ok(folder) = std::env::var("DEP_LEANPOOL_RUNTIME_DIR") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
        println!("cargo::rustc-env=LEANPOOL_RPATH={folder}");
        println!("cargo::rustc-cfg=lean_linked");
    }
}
