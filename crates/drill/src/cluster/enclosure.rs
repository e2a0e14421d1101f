//! A world of the drill's own: namespaces for processes, mounts and the network, in which the drill
//! runs as the first process.
//!
//! When that process ends, for whatever reason, the kernel ends every other one in there, and with
//! the last of them every namespace and every link goes: nothing has to be cleaned up by name.
//! Whoever is root makes the namespaces as they are; anyone else with a user namespace in front, where the
//! machine allows that. Must never touch the network that it was started in. Start at [`enter`].

use std::{
    env, fs,
    io::Read as _,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use tokio::signal::unix::{SignalKind, signal};

/// Programs it cannot do without, and where Debian has them.
const NEEDED: [(&str, &str, &str); 4] = [
    ("unshare", "--version", "util-linux"),
    ("nsenter", "--version", "util-linux"),
    ("ip", "-V", "iproute2"),
    ("tc", "-V", "iproute2"),
];
/// Looks whether the first process has ended come so often.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Runs this program once more, with the same arguments and one more, as the first process of a
/// world of its own, and waits for its end. A signal that ends this process ends the world as well.
///
/// # Errors
///
/// When a program is missing, or the machine does not let this user make namespaces; both say what
/// to do.
pub fn enter(inside: &str) -> anyhow::Result<ExitStatus> {
    check_programs()?;
    let flags = flags();
    try_out(&flags)?;
    let itself = env::current_exe().context("the path of this program is unknown")?;
    let mut unshare = Command::new("unshare");
    unshare.args(&flags).arg(itself).args(env::args_os().skip(1)).arg(inside).stdin(Stdio::piped());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Both before the child is there: none may come in between.
        let (mut interrupted, mut terminated) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut child = unshare.spawn().context("cannot run unshare")?;
        let ended = tokio::select! {
            ended = end_of(&mut child) => return ended,
            _ = interrupted.recv() => 130,
            _ = terminated.recv() => 143,
        };
        // The first process ends with its input, and everything else with it.
        drop(child.stdin.take());
        end_of(&mut child).await?;
        std::process::exit(ended)
    })
}

/// Ends the first process of the world when the one outside is gone: nobody is left to wait for it.
///
/// # Errors
///
/// When this process is not the first one of its world, and would end others' with its own.
pub fn ends_with_input(clean_up: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    ensure!(std::process::id() == 1, "`--inside` is for the drill itself: leave it out");
    std::thread::spawn(move || {
        // Nothing is ever written: whatever ends the read is the end.
        let _ = std::io::stdin().read(&mut [0]);
        clean_up();
        std::process::exit(130)
    });
    Ok(())
}

fn check_programs() -> anyhow::Result<()> {
    for (program, asks, package) in NEEDED {
        let mut command = Command::new(program);
        command.arg(asks).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if command.status().is_err() {
            bail!("`{program}` is missing: install it (Debian: apt-get install {package})");
        }
    }
    Ok(())
}

fn flags() -> Vec<&'static str> {
    let mut flags = vec!["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    if !is_root() {
        flags.extend(["--user", "--map-root-user"]);
    }
    flags
}

/// The same namespaces with nothing in them.
fn try_out(flags: &[&str]) -> anyhow::Result<()> {
    let mut tried = Command::new("unshare");
    let output = tried.args(flags).arg("true").stdin(Stdio::null()).output().context("cannot run unshare")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let missing = if is_root() {
            "root without CAP_SYS_ADMIN and CAP_NET_ADMIN, as in a container: give it both"
        } else {
            "this machine lets this user make no user namespace (sysctl user.max_user_namespaces, \
             kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns): allow it, or run \
             the drill as root"
        };
        bail!("no network of its own can be made: {}; {missing}", said.trim());
    }
    Ok(())
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uids.and_then(|uids| uids.split_whitespace().nth(1)) == Some("0")
}

async fn end_of(child: &mut Child) -> anyhow::Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
