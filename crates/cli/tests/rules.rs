//! An upgrade of the rules as an operator does it: the real binary on a data directory that an
//! older build began.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use jari_core::rules::{RULES_FIRST, RULES_NEWEST};
use jari_core::time::Date;
use jari_core::{Body, Time};
use jari_drill::live::service::{Service, ServiceOptions};
use jari_journal::{FileJournal, FileOptions};
use jari_node::{Engine, EngineOptions};
use jari_wire::KeyRing;

const AT: Time = Time(1_626_260_400_000);

fn jari(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_jari")).args(arguments).output().expect("jari runs")
}

/// What a command prints, and its exit status.
fn says(arguments: &[&Path]) -> (Option<i32>, String) {
    let output = jari(arguments);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).expect("it prints text"))
}

/// A data directory as a build left it that knew only the first rules.
fn begun_by_an_old_build(data: &Path) {
    fs::create_dir_all(data).unwrap();
    let keys = KeyRing::generate(1, [42; 32], Date(18_000));
    fs::write(data.join("keys"), keys.to_text().as_str()).unwrap();
    let (journal, _) = FileJournal::open(FileOptions::new(data.join("journal"))).unwrap();
    let options = EngineOptions { knows: RULES_FIRST, ..EngineOptions::default() };
    let (mut engine, _) = Engine::recover(Box::new(journal), None, options).unwrap();
    let contact = Body::KeepContact { person: jari_core::ids::PersonId(7), sealed: Box::from([1, 2, 3]) };
    let command = jari_core::Command { id: jari_core::ids::CommandId(1), body: contact };
    engine.turn(&[command], AT, &mut |_, _| {}).unwrap();
}

/// Starts the service and lets its configuration name the port that it got.
fn listening(dir: &Path, service: &Service) -> PathBuf {
    let config = dir.join("jari.toml");
    let text = fs::read_to_string(&config).unwrap();
    let line = text.lines().find(|line| line.starts_with("listen")).unwrap();
    let now = format!("listen = \"{}\"", service.address);
    let client = dir.join("client.toml");
    fs::write(&client, text.replacen(line, &now, 1)).unwrap();
    client
}

fn start(dir: &Path) -> Service {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_jari"));
    Service::start(ServiceOptions::new(binary, dir.to_owned(), "rules-test".to_owned()))
        .expect("the service starts")
}

#[test]
fn an_operator_sees_which_rules_count_and_makes_the_next_ones_count_for_good() {
    let dir = tempfile::tempdir().unwrap();
    begun_by_an_old_build(&dir.path().join("data"));
    let mut service = start(dir.path());
    let data = service.data_dir();
    let client = listening(dir.path(), &service);
    let show = [Path::new("rules"), Path::new("show"), Path::new("--config"), &client];
    let (status, said) = says(&show);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("rules that count    1") && said.contains("knows     up to 5"), "{said}");
    let (status, said) = says(&[Path::new("health"), Path::new("--config"), &client]);
    assert!(status == Some(0) && said.contains("\"rules\":{\"counts\":1,\"knows\":5}"), "{said}");

    let secret = dir.path().join("password");
    fs::write(&secret, "not the password\n").unwrap();
    let upgrade = [
        Path::new("rules"),
        Path::new("upgrade"),
        Path::new("--config"),
        &client,
        Path::new("--password-file"),
        &secret,
    ];
    let (status, said) = says(&upgrade);
    assert!(status == Some(2) && said.contains("sign_in_wrong"), "{said}");
    fs::write(&secret, format!("{}\n", service.password)).unwrap();
    for version in RULES_FIRST + 1..=RULES_NEWEST {
        let (status, said) = says(&upgrade);
        assert!(status == Some(0) && said.contains(&format!("rules {version} count")), "{said}");
    }
    let (status, said) = says(&upgrade);
    assert!(status == Some(1) && said.contains("knows none newer"), "{said}");

    service.kill().unwrap();
    service.restart().unwrap();
    let client = listening(dir.path(), &service);
    let (_, said) = says(&[Path::new("rules"), Path::new("show"), Path::new("--config"), &client]);
    assert!(said.contains("rules that count    5"), "{said}");
    service.kill().unwrap();
    let (status, said) = says(&[Path::new("journal"), Path::new("verify"), &data]);
    assert!(status == Some(0) && said.contains("rules         5 (this build knows 5)"), "{said}");
    let (status, said) = says(&[Path::new("rules"), Path::new("show"), Path::new("--config"), &client]);
    assert_eq!(status, Some(2), "nobody answers: {said}");
}

#[test]
fn a_new_service_begins_with_the_newest_rules() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = start(dir.path());
    let data = service.data_dir();
    let client = listening(dir.path(), &service);
    let show = [Path::new("rules"), Path::new("show"), Path::new("--config"), &client];
    // It listens a moment before the first record is written.
    let begun = (0..200).any(|_| says(&show).1.contains("rules that count    5"));
    assert!(begun, "{:?}", says(&show));
    service.kill().unwrap();
    let (status, verify) = says(&[Path::new("journal"), Path::new("verify"), &data]);
    assert_eq!(status, Some(0), "{verify}");
    assert!(verify.contains("rules         5 (this build knows 5)"), "{verify}");
}
