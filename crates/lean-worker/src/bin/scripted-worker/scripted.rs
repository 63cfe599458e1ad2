//! The zygote: imports nothing, does what its imports say, starts children.

mod child;

use std::fs::File;
use std::io::{BufRead as _, Read as _, Seek as _, SeekFrom, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio, exit};
use std::time::Duration;

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::IoSliceMut;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recvmsg, send};
use rustix::process::{
    Pid, PidfdFlags, PidfdGetfdFlags, Signal, getpid, kill_process, kill_process_group, pidfd_getfd,
    pidfd_open, set_child_subreaper, set_parent_process_death_signal,
};
use serde_json::{Value, json};

pub(crate) fn run(args: &[String]) {
    let number = |at: usize| args.get(at).and_then(|arg| arg.parse::<i32>().ok());
    match args.first().map(String::as_str) {
        Some("child") => child::run(number(1), args.get(2).map_or("", String::as_str)),
        Some("orphan") => forever(),
        _ => match number(0) {
            Some(control) => zygote(control),
            None => exit(2),
        },
    }
}

pub(crate) fn forever() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// What the imports say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Good,
    NoFork,
    Deaf,
    StrangeEvent,
    LongEvent,
    NoEvent,
    SlowToEnd,
}

fn zygote(control: i32) {
    // An own handle on what was handed over by its number.
    let me = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let control = pidfd_getfd(&me, control, PidfdGetfdFlags::empty()).unwrap();
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).unwrap();
    let config: Value = serde_json::from_str(&line).unwrap();
    let header = config["header"].as_str().unwrap();
    let said = |word: &str| header.split_whitespace().any(|said| said == word);
    let mut out = std::io::stdout();
    let mut say = |bytes: &[u8]| out.write_all(bytes).and_then(|()| out.flush()).unwrap_or_else(|_| exit(3));
    if said("Script.Silent") || (said("Script.SilentOnce") && is_among_first(1, &config)) {
        wait_for_end(&control);
    }
    if said("Script.Stubborn") {
        forever();
    }
    if said("Script.Dies") || (said("Script.DiesOnce") && is_among_first(1, &config)) {
        eprintln!("an initialiser has failed");
        exit(9);
    }
    if said("Script.KilledThrice") && is_among_first(3, &config) {
        let _ = kill_process(getpid(), Signal::KILL);
    }
    if said("Script.HalfReady") {
        say(br#"{"record":"rea"#);
        exit(0);
    }
    if said("Script.Nonsense") {
        say(b"hello\n");
        wait_for_end(&control);
    }
    if said("Script.ManyMessages") {
        loop {
            say(format!("{}\n", message(&config["file"], 1, "again")).as_bytes());
        }
    }
    if said("Script.Configured") {
        say(format!("{}\n", message(&config["file"], 1, &config.to_string())).as_bytes());
        say(b"{\"record\":\"failed\",\"error\":\"header\"}\n");
        exit(1);
    }
    if said("Script.Options") {
        let options = config["options"].to_string();
        let what = if options.contains("bad=") {
            "invalid configuration option 'x' value"
        } else {
            "unknown configuration option 'nothing'"
        };
        let error = format!("invalid -D parameter, {what}");
        say(format!("{}\n", json!({"record": "failed", "error": error})).as_bytes());
        exit(1);
    }
    if said("Script.Missing") || header.trim_end().ends_with("import") {
        let line = 1 + header.lines().position(|line| line.contains("Script.Missing")).unwrap_or(0);
        say(format!("{}\n", message(&config["file"], line, "unknown module prefix 'Script.Missing'"))
            .as_bytes());
        say(b"{\"record\":\"failed\",\"error\":\"header\"}\n");
        exit(1);
    }
    let memory = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let dirty = memory.lines().find_map(|line| line.strip_prefix("Private_Dirty:"));
    let dirty: u64 = dirty.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or(0);
    let weight = if said("Script.Heavy") { 1 << 20 } else { dirty };
    say(format!(
        "{}\n",
        json!({"record": "ready", "version": "scripted", "pid": std::process::id(), "modules": 0, "constants": 0,
            "micros": 0, "privateDirty": weight, "threads": 1})
    )
    .as_bytes());
    let script = [
        ("Script.NoFork", Script::NoFork),
        ("Script.Deaf", Script::Deaf),
        ("Script.StrangeEvent", Script::StrangeEvent),
        ("Script.LongEvent", Script::LongEvent),
        ("Script.NoEvent", Script::NoEvent),
        ("Script.SlowToEnd", Script::SlowToEnd),
    ];
    let script = script.into_iter().find(|(word, _)| said(word)).map_or(Script::Good, |(_, script)| script);
    serve(&control, script, header);
}

/// Whether this is the first zygote that asks: the first folder of the search path has the note.
fn is_among_first(count: usize, config: &Value) -> bool {
    let folder = std::path::Path::new(config["searchPath"][0].as_str().unwrap());
    (0..count).any(|number| File::create_new(folder.join(format!("start-{number}"))).is_ok())
}

pub(crate) fn message(file: &Value, line: usize, text: &str) -> Value {
    let severity =
        if text.starts_with("error") || text.starts_with("unknown") { "error" } else { "information" };
    json!({"caption": "", "data": text, "endPos": null, "fileName": file, "isSilent": false, "keepFullRange": false,
        "kind": "[anonymous]", "pos": {"column": 0, "line": line}, "severity": severity})
}

fn wait_for_end(control: &OwnedFd) -> ! {
    let mut byte = [0; 1];
    let _ = rustix::io::read(control, &mut byte);
    exit(0);
}

struct Running {
    id: u64,
    process: Child,
    pidfd: OwnedFd,
    output: File,
}

fn serve(control: &OwnedFd, script: Script, header: &str) {
    set_parent_process_death_signal(None).unwrap();
    set_child_subreaper(Some(getpid())).unwrap();
    if script == Script::Deaf {
        forever();
    }
    let mut running: Vec<Running> = Vec::new();
    loop {
        let (is_control, ended) = {
            let mut fds = vec![PollFd::new(control, PollFlags::IN)];
            fds.extend(running.iter().map(|child| PollFd::new(&child.pidfd, PollFlags::IN)));
            poll(&mut fds, None).unwrap();
            let ended: Vec<usize> =
                (0..running.len()).filter(|&at| !fds[at + 1].revents().is_empty()).collect();
            (!fds[0].revents().is_empty(), ended)
        };
        for at in ended.into_iter().rev() {
            reap(control, running.swap_remove(at), script);
            kill_orphans(&running);
        }
        if is_control {
            command(control, &mut running, script, header);
        }
    }
}

fn reap(control: &OwnedFd, mut child: Running, script: Script) {
    // Not yet reaped: the group's id is still its own.
    let _ = kill_process_group(Pid::from_child(&child.process), Signal::KILL);
    let status = child.process.wait().unwrap();
    let (mut output, length) = (String::new(), child.output.stream_position().unwrap());
    child.output.seek(SeekFrom::Start(0)).unwrap();
    child.output.take(length.min(16384)).read_to_string(&mut output).unwrap_or(0);
    let signal = status.signal().unwrap_or(0);
    let event = json!({"event": "exited", "id": child.id, "pid": child.process.id(), "code": status.code().unwrap_or(-1),
        "signal": signal, "seconds": 0.0, "user": 0.0, "system": 0.0, "maxrss": 1000, "output": output});
    if script != Script::NoEvent {
        tell(control, event.to_string().as_bytes());
    }
}

/// What a child has left behind, in a session of its own, is ours now.
fn kill_orphans(running: &[Running]) {
    let Ok(list) = std::fs::read_to_string("/proc/thread-self/children") else { return };
    for pid in list.split_whitespace().filter_map(|pid| pid.parse().ok()) {
        if !running.iter().any(|child| Pid::from_child(&child.process).as_raw_nonzero().get() == pid) {
            let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::KILL));
        }
    }
}

fn tell(control: &OwnedFd, packet: &[u8]) {
    let _ = send(control, packet, SendFlags::NOSIGNAL);
}

fn command(control: &OwnedFd, running: &mut Vec<Running>, script: Script, header: &str) {
    let mut packet = [0; 64];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(control, &mut [IoSliceMut::new(&mut packet)], &mut ancillary, RecvFlags::CMSG_CLOEXEC);
    let bytes = received.map_or(0, |received| received.bytes);
    if bytes == 0 {
        if script == Script::SlowToEnd {
            forever();
        }
        for child in &mut *running {
            let _ = kill_process_group(Pid::from_child(&child.process), Signal::KILL);
        }
        for child in &mut *running {
            let _ = child.process.wait();
        }
        kill_orphans(&[]);
        exit(0);
    }
    let words = std::str::from_utf8(&packet[..bytes]).unwrap();
    let (what, id) = words.split_once(' ').unwrap();
    let id: u64 = id.parse().unwrap();
    let stream = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    match (what, stream) {
        ("fork", _) if script == Script::NoFork => {
            tell(control, json!({"event": "forked", "id": id, "pid": -1}).to_string().as_bytes());
        }
        ("fork", Some(stream)) => {
            let child = start(id, stream, header);
            tell(
                control,
                json!({"event": "forked", "id": id, "pid": child.process.id()}).to_string().as_bytes(),
            );
            running.push(child);
            match script {
                Script::StrangeEvent => {
                    tell(control, br#"{"event":"exited","id":999,"pid":1,"code":0,"signal":0,"output":""}"#);
                }
                Script::LongEvent => tell(control, &vec![b'x'; 100_000]),
                _ => {}
            }
        }
        ("kill", _) => {
            for child in running.iter().filter(|child| child.id == id) {
                let _ = kill_process_group(Pid::from_child(&child.process), Signal::KILL);
            }
        }
        _ => exit(2),
    }
}

fn start(id: u64, stream: OwnedFd, header: &str) -> Running {
    let output = File::from(memfd_create("output", MemfdFlags::CLOEXEC).unwrap());
    let nothing = File::open("/dev/null").unwrap();
    let process = Command::new("/proc/self/exe")
        .arg("child")
        .arg(std::process::id().to_string())
        .arg(header)
        .stdin(Stdio::from(stream))
        .stdout(output.try_clone().unwrap())
        .stderr(output.try_clone().unwrap())
        .process_group(0)
        // The control socket's number, which is not for children.
        .fd_mappings(vec![FdMapping { parent_fd: nothing.into(), child_fd: 3 }])
        .unwrap()
        .spawn()
        .unwrap();
    let pidfd = pidfd_open(Pid::from_child(&process), PidfdFlags::empty()).unwrap();
    Running { id, process, pidfd, output }
}
