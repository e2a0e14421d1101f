//! A backup that is taken under load, brought back, and served.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use jari_drill::crash::book::{Kept, Person};
use jari_drill::crash::nodes::Nodes;
use jari_drill::crash::rounds::{ready, stage, verify_journal};
use jari_drill::crash::visitor::{Scene, visit};
use jari_drill::live::api::{self, Request};
use jari_drill::live::crowd::people::claim;
use jari_drill::live::http::{Answer, Connection, Target};
use jari_drill::live::service::{Service, ServiceOptions};
use jari_drill::live::stage::Operator;
use jari_web::staff::Role;
use jari_web::vault::{StaffRecord, Vault};
use jari_wire::KeyRing;
use tokio::task::JoinSet;

const SEED: u64 = 11;
const SECRET: &str = "backup-test";
const CONNECTIONS: u64 = 12;
/// People who take a number and wait.
const PATIENT: std::ops::Range<u32> = 1_000_000..1_000_020;
const PATIENCE: Duration = Duration::from_secs(20);

fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_jari"))
}

fn jari(arguments: &[&Path]) -> Output {
    Command::new(binary()).args(arguments).output().expect("jari runs")
}

fn prints(arguments: &[&Path]) -> String {
    let output = jari(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints text")
}

fn refused(arguments: &[&Path]) -> String {
    let output = jari(arguments);
    assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).expect("it prints text")
}

/// The word behind a name.
fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
    line[name.len()..].trim()
}

/// Segments and snapshots come and go while they are copied.
const LIVELY: &str = "keep_all = false\nsegment_bytes_max = 300000\nsnapshot_every_commands = 1500";

fn start(dir: &Path, journal: &str) -> Service {
    let config_more = format!("[journal]\n{journal}\n");
    let options =
        ServiceOptions { config_more, ..ServiceOptions::new(binary(), dir.to_owned(), SECRET.to_owned()) };
    Service::start(options).expect("the service starts")
}

async fn ask(connection: &mut Connection, request: Request) -> Answer {
    connection.send(&request.into_bytes(), PATIENCE).await.expect("an answer")
}

/// Lets the crowd get so many answers more; asks the service meanwhile, as its operator would.
async fn until_answered(scene: &Scene, more: u64) {
    let wanted = scene.gate.counted().answered + more;
    let mut connection = Connection::new(scene.nodes.target(0).clone());
    while scene.gate.counted().answered < wanted {
        ask(&mut connection, api::now(scene.rooms.0)).await;
    }
}

/// What was acknowledged at some moment.
struct Known {
    people: BTreeMap<u32, Person>,
    walked_in: BTreeMap<u32, Arc<str>>,
}

fn known(scene: &Scene) -> Known {
    let book = scene.book.lock();
    Known { people: book.people.clone(), walked_in: book.walked_in.clone() }
}

fn rank(word: &str) -> u32 {
    match word {
        "held" => 0,
        "booked" => 1,
        "cancelled" => 2,
        other => panic!("nobody asked for {other}"),
    }
}

fn word(kept: Kept) -> &'static str {
    match kept {
        Kept::Held => "held",
        Kept::Booked => "booked",
        Kept::Cancelled => "cancelled",
    }
}

/// The numbers of some people in the room bound to people, who take them or had them.
async fn in_line(connection: &mut Connection) -> Vec<u32> {
    let mut serials = Vec::new();
    for person in PATIENT {
        let answer = ask(connection, api::identify(SECRET, &claim(SEED, person))).await;
        let session: api::Session = api::read(&answer).expect("a session");
        let answer = ask(connection, api::join(1, Some(&session.session_token), None)).await;
        let joined: api::Joined = api::read(&answer).expect("it is an answer");
        serials.push(joined.serial.expect("a number"));
    }
    serials
}

/// Everyone's places are as they were before the backup, or as they became since.
async fn check_people(connection: &mut Connection, before: &Known, after: &Known) -> usize {
    let mut places = 0;
    for (number, person) in before.people.iter().filter(|(_, person)| !person.places.is_empty()) {
        let answer = ask(connection, api::identify(SECRET, &claim(SEED, *number))).await;
        let session: api::Session = api::read(&answer).expect("everyone can identify themselves again");
        let shown: Vec<api::Booking> =
            api::read(&ask(connection, api::bookings(&session.session_token)).await).expect("a list");
        for (booking, (slot, kept)) in &person.places {
            let found = shown.iter().find(|one| one.booking == *booking);
            let found = found.unwrap_or_else(|| panic!("person {number}: {booking} is lost"));
            let (last_slot, last) = after.people[number].places[booking];
            let open = after.people[number].asked.is_some();
            let ranks = rank(word(*kept))..=if open { 2 } else { rank(word(last)) };
            assert!(ranks.contains(&rank(&found.status)), "person {number}: {booking} is {}", found.status);
            assert!(
                open || [*slot, last_slot].contains(&found.slot.slot),
                "person {number}: {booking} moved"
            );
            places += 1;
        }
    }
    places
}

/// What was given out before counts no more, whether the backup knows of it or not.
async fn check_tokens(connection: &mut Connection, before: &Known, after: &Known) {
    let late = after.walked_in.iter().find(|(serial, _)| !before.walked_in.contains_key(serial));
    let early = before.walked_in.iter().next();
    for (_, ticket) in [early, late].into_iter().map(|one| one.expect("somebody walked in")) {
        let answer = ask(connection, api::place(2, ticket)).await;
        assert_eq!((answer.status, api::problem(&answer).0.as_str()), (401, "token_old"));
    }
    let sessions = after.people.values().filter_map(|person| person.session.as_ref());
    for session in sessions.take(20) {
        assert_eq!(ask(connection, api::bookings(session)).await.status, 401);
    }
    // Whoever comes now gets a number behind all that the backup knows of.
    let joined: api::Joined = api::read(&ask(connection, api::join(2, None, None)).await).expect("a number");
    let highest = before.walked_in.keys().next_back().expect("somebody walked in");
    assert!(joined.serial.expect("it is not slowed") > *highest);
    let ticket = joined.ticket_token.expect("it is not slowed");
    assert_eq!(ask(connection, api::place(2, &ticket)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_taken_under_load_restores_all_that_was_acknowledged_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = start(dir.path(), LIVELY);
    let password = service.password.clone();
    let nodes = Nodes::alone(Target::new(service.address));
    let (scene, _, _) = stage(SEED, nodes, SECRET.into(), &password).await.unwrap();
    let scene = Arc::new(scene);
    let mut crowd = JoinSet::new();
    for number in 0..CONNECTIONS {
        crowd.spawn(visit(Arc::clone(&scene), number));
    }
    scene.gate.open();
    until_answered(&scene, 6_000).await;

    let mut connection = Connection::new(scene.nodes.target(0).clone());
    let serials = in_line(&mut connection).await;
    let before = known(&scene);
    let answered = scene.gate.counted().answered;
    let (data, backup) = (service.data_dir(), dir.path().join("backup"));
    let arguments = [PathBuf::from("backup"), data, PathBuf::from("--to"), backup.clone()];
    let said = tokio::task::spawn_blocking(move || prints(&arguments.each_ref().map(PathBuf::as_path)));
    let said = said.await.unwrap();
    assert!(scene.gate.counted().answered > answered, "the crowd went on meanwhile");
    until_answered(&scene, 2_000).await;
    service.kill().unwrap();
    scene.gate.shut();
    crowd.abort_all();
    while crowd.join_next().await.is_some() {}
    let after = known(&scene);

    assert!(verify_journal(&binary(), &backup).unwrap().contains("all hold"));
    let restored = dir.path().join("restored");
    let again = prints(&[Path::new("restore"), &backup, Path::new("--to"), &restored]);
    assert_eq!(field(&again, "chain hash"), field(&said, "chain hash"));
    let verified = verify_journal(&binary(), &restored).unwrap();
    assert!(verified.contains("all hold"), "{verified}");
    assert_eq!(field(&verified, "chain hash"), field(&said, "chain hash"));

    service.moves_to(restored).unwrap();
    service.restart().unwrap();
    scene.nodes.target(0).moved_to(service.address);
    ready(scene.nodes.target(0)).await.unwrap();
    let mut connection = Connection::new(scene.nodes.target(0).clone());
    assert_eq!(in_line(&mut connection).await, serials, "who waits is found again in the line");
    check_tokens(&mut connection, &before, &after).await;
    let places = check_people(&mut connection, &before, &after).await;
    assert!(places > 500, "{places} places were looked for");
    Operator::sign_in(scene.nodes.target(0), &password, SEED).await.expect("the staff came back, too");
    service.kill().unwrap();
}

#[test]
fn what_is_no_whole_backup_is_refused_and_nothing_is_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = start(dir.path(), LIVELY);
    service.kill().unwrap();
    let (data, backup) = (service.data_dir(), dir.path().join("backup"));
    let (restore, to) = (Path::new("restore"), Path::new("--to"));
    // Of a service that was killed, and whose socket is still there.
    prints(&[Path::new("backup"), &data, to, &backup]);
    let says = refused(&[Path::new("backup"), &data, to, &backup]);
    assert!(says.contains("nothing is written over"), "{says}");
    let says = refused(&[Path::new("backup"), &dir.path().join("dat"), to, &dir.path().join("other")]);
    assert!(says.contains("there is no data directory"), "{says}");
    let says = refused(&[restore, &backup, to, &data]);
    assert!(says.contains("nothing is written over"), "{says}");

    let restored = dir.path().join("restored");
    let vault = backup.join("vault.redb");
    let whole = fs::read(&vault).unwrap();
    let mut bent = whole.clone();
    bent[whole.len() / 2] ^= 1;
    fs::write(&vault, &bent).unwrap();
    let says = refused(&[restore, &backup, to, &restored]);
    assert!(says.contains("vault.redb is damaged"), "{says}");
    assert!(!restored.join("keys").exists(), "what is half restored does not start");

    fs::write(&vault, &whole).unwrap();
    let restored = dir.path().join("again");
    prints(&[restore, &backup, to, &restored]);
    let keys = fs::read_to_string(restored.join("keys")).unwrap();
    assert!(keys.contains(" retired 0\n") && keys.lines().last().unwrap().starts_with("2 "), "{keys}");

    fs::remove_file(backup.join("backup.json")).unwrap();
    let says = refused(&[restore, &backup, to, &dir.path().join("never")]);
    assert!(says.contains("half of one"), "{says}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_password_is_replaced_while_the_service_is_down() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = start(dir.path(), LIVELY);
    let data = service.data_dir();
    let (staff, reset) = (Path::new("staff"), Path::new("reset-password"));
    let says = refused(&[staff, reset, &data]);
    assert!(says.contains("stop the service first"), "{says}");
    service.kill().unwrap();
    let says = refused(&[staff, reset, &data, Path::new("operatr")]);
    assert!(says.contains("nobody named \"operatr\""), "{says}");
    let said = prints(&[staff, reset, &data]);
    let password = field(&said, "operator password:");
    service.restart().unwrap();
    let target = Target::new(service.address);
    Operator::sign_in(&target, password, SEED).await.expect("the new one counts");
    assert!(Operator::sign_in(&target, &service.password, SEED).await.is_err(), "the old one does not");

    // Nobody is left who can sign in: locked, another role, and the telephone is gone.
    service.kill().unwrap();
    let keys = KeyRing::parse(&fs::read_to_string(data.join("keys")).unwrap()).unwrap();
    let vault = Vault::open(&data.join("vault.redb"), keys).unwrap();
    let shut_out = |mut record: StaffRecord| {
        record.role = Role::Viewer.number();
        record.more.locked = true;
        record.more.totp = "a secret that nobody has".into();
        Ok(record)
    };
    vault.change_staff("operator", shut_out).await.unwrap();
    vault.close();
    let (totp, operator) = (Path::new("--reset-totp"), Path::new("--make-operator"));
    let said = prints(&[staff, reset, &data, totp, operator]);
    service.restart().unwrap();
    let target = Target::new(service.address);
    let password = field(&said, "operator password:");
    Operator::sign_in(&target, password, SEED).await.expect("an operator who is not locked");

    // What a service manager asks.
    let config = dir.path().join("jari.toml");
    let listening = fs::read_to_string(&config).unwrap().replace("127.0.0.1:0", &service.address.to_string());
    fs::write(&config, listening).unwrap();
    let health = [Path::new("health"), Path::new("--config"), &config];
    assert!(prints(&health).starts_with("200"));
    service.kill().unwrap();
    refused(&health);
}

/// The segments of a directory's journal, oldest first.
fn segments(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "segment")).collect();
    segments.sort_unstable();
    segments
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_segment_is_replaced_from_a_backup_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    // A record or two in each.
    let mut service = start(dir.path(), "segment_bytes_max = 500");
    let data = service.data_dir();
    let mut connection = Connection::new(Target::new(service.address));
    while segments(&data).len() < 3 {
        ask(&mut connection, Request::new("GET", "/readyz")).await;
    }
    let backup = dir.path().join("backup");
    prints(&[Path::new("backup"), &data, Path::new("--to"), &backup]);
    service.kill().unwrap();
    let whole = verify_journal(&binary(), &data).unwrap();
    let first = segments(&data).remove(0);
    let mut bytes = fs::read(&first).unwrap();
    bytes[200] ^= 1;
    fs::write(&first, &bytes).unwrap();
    let damaged = verify_journal(&binary(), &data).unwrap();
    assert!(damaged.contains("DAMAGED") && damaged.contains(first.to_str().unwrap()), "{damaged}");
    assert!(service.restart().is_err(), "it does not start on it");

    fs::copy(backup.join("journal").join(first.file_name().unwrap()), &first).unwrap();
    assert_eq!(verify_journal(&binary(), &data).unwrap(), whole);
    service.restart().unwrap();
    service.kill().unwrap();
}
