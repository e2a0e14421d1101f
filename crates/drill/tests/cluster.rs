//! The cluster drill's parts without a cluster: what is planned, what is read from outside, and what
//! is judged; planted losses, doubles and faults that did not happen have to be found.

use std::{collections::BTreeSet, time::Duration};

use jari_drill::{
    cluster::{
        agree::{Agreement, compare_journals, heads_of},
        drive::Outcome,
        evidence::{Evidence, of_pause, of_progress, of_slowness, of_ways},
        fairness::{Order, order_of},
        faults::{Deed, Fault, Roles, plan},
        inject::Injection,
        net::{Machine, ways},
        probes::Refused,
        programs::OwnEnd,
        verdicts::judge,
        watch::{StreamSeen, read_position, read_stream},
    },
    crash::{audit::Found, book::SharedBook, gate::Counted},
    live::{crowd::people::Random, service::parse_stat},
};
use serde_json::json;
use tokio::time::Instant;

const ROLES: Roles = Roles { leader: 1, follower: 2, other: 0, node: 0 };

#[test]
fn a_seed_plans_the_same_faults_and_each_before_any_comes_again() {
    assert_eq!(plan(1, 50), plan(1, 50));
    assert_ne!(plan(1, 50), plan(2, 50));
    let all: BTreeSet<Fault> = plan(3, Fault::ALL.len()).into_iter().collect();
    assert_eq!(all.len(), Fault::ALL.len());
    for fault in Fault::ALL {
        assert_eq!(Fault::named(fault.name()), Some(fault));
    }
    assert_eq!(Fault::named("node-fall"), None);
}

#[test]
fn roles_are_three_different_servers() {
    let mut random = Random::new(1, 1);
    for leader in [0, 1, 2, 0, 1, 2] {
        let roles = Roles::draw(leader, &mut random);
        let servers: BTreeSet<usize> = [roles.leader, roles.follower, roles.other].into();
        assert_eq!((servers.len(), roles.leader), (3, leader), "{roles:?}");
        assert!(servers.iter().all(|server| *server < 3) && roles.node < 3, "{roles:?}");
    }
}

/// The ways that a fault cuts, in words, and who cannot move.
fn cuts(fault: Fault) -> (BTreeSet<String>, usize) {
    let Deed::Cut { ways, frozen, .. } = fault.deed(ROLES) else { panic!("{fault:?} cuts nothing") };
    let word = |machine: Machine| match machine {
        Machine::Server(number) => format!("s{number}"),
        Machine::Node(number) => format!("n{number}"),
    };
    (ways.into_iter().map(|(from, to)| format!("{}>{}", word(from), word(to))).collect(), frozen.len())
}

#[test]
fn each_cut_has_its_ways_and_no_other() {
    for (fault, expected, frozen) in [
        (Fault::ServerCut, "s2>s1 s2>s0 s1>s2 s0>s2", 1),
        (Fault::LeaderCut, "s1>s2 s1>s0 s2>s1 s0>s1", 1),
        (Fault::ServerMute, "s2>s1 s2>s0", 0),
        (Fault::ServerDeaf, "s1>s2 s0>s2", 0),
        (Fault::LeaderMute, "s1>s2 s1>s0", 0),
        (Fault::Bridge, "s1>s2 s2>s1", 0),
        (Fault::NodeCut, "n0>s0 n0>s1 n0>s2 s0>n0 s1>n0 s2>n0", 1),
        (Fault::NodeMute, "n0>s0 n0>s1 n0>s2", 1),
        (Fault::NodeDeaf, "s0>n0 s1>n0 s2>n0", 1),
    ] {
        let expected: BTreeSet<String> = expected.split(' ').map(String::from).collect();
        assert_eq!(cuts(fault), (expected, frozen), "{fault:?}");
    }
    // Two on one side, four on the other, both directions; and every node from every server.
    assert_eq!(cuts(Fault::Halves).0.len(), 16);
    assert_eq!(cuts(Fault::HalvesLeader).0.len(), 16);
    assert_eq!((cuts(Fault::StreamAway).0.len(), cuts(Fault::StreamAway).1), (18, 3));
}

#[test]
fn a_leaders_loss_lasts_long_enough_for_an_election() {
    let usual = Duration::from_secs(4);
    assert_eq!(Fault::NodeKill.lasts(usual), usual);
    assert_eq!(Fault::LeaderKill.lasts(usual), Duration::from_secs(10));
    assert_eq!(Fault::LeaderKill.lasts(Duration::from_secs(30)), Duration::from_secs(30));
}

#[test]
fn what_servers_and_nodes_show_is_read() {
    let shown = json!({ "account_details": [
        { "name": "SYS" },
        { "name": "JARI", "stream_detail": [
            { "name": "other", "state": { "last_seq": 9 } },
            { "name": "jari", "cluster": { "leader": "nats2" }, "state": { "last_seq": 41 } },
        ]},
    ]});
    assert_eq!(read_stream(&shown), Some(StreamSeen { last: 41, leader: Some(1) }));
    let alone = json!({ "account_details": [{ "stream_detail": [
        { "name": "jari", "cluster": {}, "state": { "last_seq": 7 } },
    ]}]});
    assert_eq!(read_stream(&alone), Some(StreamSeen { last: 7, leader: None }));
    assert_eq!(read_stream(&json!({ "account_details": [] })), None);
    assert_eq!(read_stream(&json!({})), None);
    let metrics = "# TYPE jari_position gauge\njari_position_max 3\njari_position 12757\n";
    assert_eq!(read_position(metrics), Some(12_757));
    for odd in ["jari_position -1", "jari_position x", "jari_positions 3", ""] {
        assert_eq!(read_position(odd), None, "{odd:?}");
    }
    let stat = "61 (a) b (c) T 1 61 61 0 -1 4194560 1 0 0 0 400 9 0 0 20 0";
    assert_eq!(parse_stat(stat), Some((true, 409)));
    assert_eq!(parse_stat(&stat.replace(" T ", " S ")), Some((false, 409)));
    assert_eq!(parse_stat("61 (jari) T 1"), None);
}

#[test]
fn a_cut_that_leaks_or_cuts_too_much_is_found() {
    let all: Vec<Machine> = Machine::all().collect();
    let cut = [(Machine::Server(0), Machine::Server(1))];
    let open = |lost: &[(Machine, Machine)]| -> BTreeSet<_> {
        ways(&all).into_iter().filter(|way| !lost.contains(way)).collect()
    };
    assert!(of_ways("then", &cut, &open(&cut)).bites);
    assert!(!of_ways("then", &cut, &open(&[])).bites, "nothing was cut");
    let back = [cut[0], (Machine::Server(1), Machine::Server(0))];
    assert!(!of_ways("then", &cut, &open(&back)).bites, "the other direction is cut as well");
}

#[test]
fn who_is_cut_off_stands_and_the_others_move() {
    let (server, node) = (Machine::Server(0), Machine::Node(0));
    let reached = |positions: &[(Machine, u64)]| -> Vec<(Machine, Option<u64>)> {
        positions.iter().map(|(machine, position)| (*machine, Some(*position))).collect()
    };
    let bites = |frozen: &[Machine], others, before: &[(Machine, u64)], after: &[(Machine, u64)]| {
        of_progress(frozen, others, &reached(before), &reached(after)).iter().all(|one| one.bites)
    };
    let other = Machine::Node(1);
    assert!(bites(&[node], true, &[(node, 5), (other, 5)], &[(node, 5), (other, 9)]));
    assert!(!bites(&[node], true, &[(node, 5), (other, 5)], &[(node, 6), (other, 9)]), "it came further");
    assert!(!bites(&[node], true, &[(node, 5), (other, 5)], &[(node, 5), (other, 5)]), "nobody moved");
    // A node may come as far as the server on its side, and no further.
    assert!(bites(&[server, node], false, &[(server, 8), (node, 5)], &[(server, 8), (node, 8)]));
    assert!(!bites(&[server, node], false, &[(server, 8), (node, 5)], &[(server, 8), (node, 9)]));
    assert!(!bites(&[server], false, &[(server, 8)], &[(server, 9)]));
    let silent = of_progress(&[node], false, &vec![(node, None)], &vec![(node, None)]);
    assert!(!silent[0].bites, "silence shows nothing");
}

#[test]
fn a_pause_uses_no_processor_and_a_slow_link_is_slow() {
    let machine = Machine::Node(2);
    assert!(of_pause(machine, Some((true, 7)), Some((true, 7))).bites);
    for (before, after) in
        [(Some((false, 7)), Some((true, 7))), (Some((true, 7)), Some((true, 8))), (Some((true, 7)), None)]
    {
        assert!(!of_pause(machine, before, after).bites, "{before:?} {after:?}");
    }
    let trips = |ms: u64| vec![Some(Duration::from_millis(ms)); 9];
    assert!(of_slowness(&trips(1), &trips(40)).bites);
    assert!(!of_slowness(&trips(1), &trips(2)).bites);
    let half: Vec<Option<Duration>> = trips(1).into_iter().take(5).chain([None; 4]).collect();
    assert!(of_slowness(&trips(1), &half).bites, "lost is slow");
}

const VERIFIED: &str =
    "records       12 (1 to 12)\nchain hash    aa\nstate hash    bb\ninvariants    all hold\n";

#[test]
fn journals_are_one_history_only_if_all_say_the_same() {
    let same = vec![VERIFIED.to_string(); 3];
    assert_eq!(heads_of(&same), [Some(12); 3]);
    let mut agreement = Agreement::default();
    compare_journals(&same, &same, &mut agreement);
    assert_eq!((agreement.verified, agreement.position), (6, Some(12)));
    assert_eq!((agreement.chain.as_deref(), agreement.state.as_deref()), (Some("aa"), Some("bb")));
    for (from, to) in [("chain hash    aa", "chain hash    ab"), ("state hash    bb", "state hash    bc")] {
        let mut other = same.clone();
        other[1] = VERIFIED.replace(from, to);
        let mut agreement = Agreement::default();
        compare_journals(&same, &other, &mut agreement);
        assert!(agreement.chain.is_none() || agreement.state.is_none(), "{to}");
    }
    let mut agreement = Agreement::default();
    compare_journals(&same, &[], &mut agreement);
    assert_eq!((agreement.chain, agreement.state), (None, None), "two silences are no agreement");
}

#[test]
fn numbers_out_of_order_lower_tau() {
    let book = SharedBook::new(1);
    let begun = Instant::now();
    let at = |ms: u64| begun + Duration::from_millis(ms);
    for person in 0..100 {
        let serial = if person < 50 { person } else { 149 - person };
        book.lock().ticket(person, serial, "t".into(), at(u64::from(person)));
    }
    let order = |from, to| order_of("then", &book.lock(), &[(at(from), at(to))]);
    assert_eq!(order(0, 50).numbers_tau, Some(1.0));
    assert_eq!(order(50, 100).numbers_tau, Some(-1.0));
    assert_eq!((order(0, 50).people, order(50, 100).people), (50, 50));
    assert_eq!(order(200, 300).numbers_tau, None);
}

/// A run in which everything holds.
fn good() -> Outcome {
    let found = || Found { tickets: 9, bookings: 9, repeats: 9, slots: 9, changes: 1, ..Found::default() };
    let now = Instant::now();
    let injection = Injection {
        fault: Fault::NodeCut,
        at: (Duration::from_secs(1), Duration::from_secs(5)),
        instants: (now, now),
        evidence: vec![Evidence::new(true, "probes are lost")],
        back_in: vec![Some(Duration::from_millis(900)); 3],
        refused: vec![Refused {
            node: 0,
            reads: true,
            answer: Some((503, "storage_away".into(), true)),
            after: Duration::from_millis(3),
        }],
        answered: 9,
        asked_to_end: None,
        elected_in: None,
        own_ends: Vec::new(),
        slowness: None,
    };
    let mut agreement = Agreement { answers: 3, ..Agreement::default() };
    compare_journals(&vec![VERIFIED.into(); 3], &vec![VERIFIED.into(); 3], &mut agreement);
    let calm =
        Order { during: "without a fault".into(), people: 99, numbers_tau: Some(0.99), entries_tau: None };
    Outcome {
        injections: vec![injection],
        found: found(),
        last: vec![found(), found(), found()],
        after_restart: vec![found(), found(), found()],
        agreement,
        counted: Counted { answered: 99, asked_again: 3, ..Counted::default() },
        orders: vec![calm],
        ..Outcome::default()
    }
}

/// The names of verdicts that fail.
fn failed(outcome: &Outcome) -> Vec<String> {
    let verdicts = judge(&[Fault::NodeCut], outcome);
    verdicts.into_iter().filter(|verdict| !verdict.pass).map(|verdict| verdict.name).collect()
}

#[test]
fn a_good_run_passes_and_each_planted_fault_fails_its_verdict() {
    assert_eq!(failed(&good()), Vec::<String>::new());
    type Plant = fn(&mut Outcome);
    let plants: [(Plant, &str); 13] = [
        (|run| run.last[2].lost.add("a booking is gone".into()), "Everything acknowledged is there"),
        (|run| run.found.twice.add("a number was given twice".into()), "Nothing given twice"),
        (|run| run.found.differs.add("another answer".into()), "The same key gives the same answer"),
        (|run| run.last[0].sums.add("a place too many".into()), "Places add up"),
        (|run| run.agreement.differing.add("room 1".into()), "All nodes give the same answers"),
        (|run| run.agreement.state = None, "The nodes' journals are one history"),
        (|run| run.uneven.push("[1, 2, 3]".into()), "All nodes give the same answers"),
        (|run| run.left_open = 1, "Every question got one answer"),
        (|run| run.injections[0].back_in[1] = Some(Duration::from_secs(11)), "Every node takes writes again"),
        (|run| run.injections[0].refused[0].answer = None, "A node without the stream refuses writes"),
        (|run| run.injections[0].evidence[0].bites = false, "The faults really happened"),
        (|run| run.injections[0].evidence.clear(), "The faults really happened"),
        (
            |run| {
                let end = OwnEnd { machine: Machine::Node(1), was_up: true, said: "broken".into() };
                run.injections[0].own_ends.push(end);
            },
            "No node ends by itself",
        ),
    ];
    for (plant, name) in plants {
        let mut run = good();
        plant(&mut run);
        let failed = failed(&run);
        assert!(failed.iter().any(|failed| failed.starts_with(name)), "{name}: {failed:?}");
    }
}

#[test]
fn a_run_that_checked_nothing_passes_nothing_that_matters() {
    let failed = failed(&Outcome::default());
    for name in
        ["Everything acknowledged is there", "Nothing given twice", "The nodes' journals", "The faults"]
    {
        assert!(failed.iter().any(|failed| failed.starts_with(name)), "{name}: {failed:?}");
    }
    let mut halfway = good();
    halfway.last.pop();
    assert!(!self::failed(&halfway).is_empty(), "a node that was not read at the end");
}
