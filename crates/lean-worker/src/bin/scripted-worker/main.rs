//! A worker without Lean, for tests: it speaks the protocol, and does what the files and imports that it gets say.
//!
//! What a zygote does is said by the modules that are imported (`import Script.Dies`), what a child does by the lines of a file that begin
//! with `-- `. `tests/what_can_go_wrong.rs` uses each word. It forks nothing: a child is this program, started anew.
#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
mod scripted;

fn main() {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.next_if(|arg| arg == lean_worker::launch::WORD).is_some() {
        eprintln!("{}", lean_worker::launch::run(args));
        std::process::exit(127);
    }
    #[cfg(target_os = "linux")]
    scripted::run(&args.map(|arg| arg.to_string_lossy().into_owned()).collect::<Vec<_>>());
}
