//! What the docs of lean-backend tell a program to do. With `LINK_FROM=program` it also names Lean's library itself, so that this comes before
//! what the program depends on.

fn main() {
    println!("cargo::rerun-if-env-changed=LINK_FROM");
    let Ok(folder) = std::env::var("DEP_LEANPOOL_RUNTIME_DIR") else { return };
    println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
    match std::env::var("LINK_FROM").as_deref() {
        Ok("dependency") | Err(_) => {}
        Ok("program") => {
            println!("cargo::rustc-link-search=native={folder}");
            println!("cargo::rustc-link-lib=dylib=gcc_s");
            println!("cargo::rustc-link-lib=dylib=leanshared");
        }
        Ok(other) => panic!("LINK_FROM is `{other}`, neither program nor dependency"),
    }
}
