//! What the limit on writes does as answers get slow and quick again, and who waits for leave.

use super::*;

type Order = Arc<std::sync::Mutex<Vec<&'static str>>>;

fn shed() -> Arc<Shed> {
    Shed::new(ShedOptions { writes_min: 4, writes_first: 16, writes_max: 64, waiting_max: 8 })
}

fn full(shed: &Arc<Shed>, step: Step) -> Vec<Permit> {
    std::iter::from_fn(|| shed.admit(step)).collect()
}

/// Lets what was woken run.
async fn settle() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

/// Waits, and writes down that its turn came.
fn waiter(
    shed: &Arc<Shed>,
    step: Step,
    name: &'static str,
    order: &Order,
) -> tokio::task::JoinHandle<Option<Permit>> {
    let (shed, order) = (Arc::clone(shed), Arc::clone(order));
    tokio::spawn(async move {
        let permit = shed.wait(step).await;
        order.lock().unwrap().push(if permit.is_some() { name } else { "refused" });
        permit
    })
}

#[test]
fn beyond_the_limit_nobody_is_let_in_until_someone_leaves() {
    let shed = shed();
    let mut permits = full(&shed, Step::Begin);
    assert_eq!(permits.len(), 16);
    let finishing = full(&shed, Step::Finish);
    assert_eq!(finishing.len(), 32, "whoever finishes has twice the room, of their own");
    permits.pop();
    assert!(shed.admit(Step::Begin).is_some(), "and does not stand in the way of those who begin");
}

#[tokio::test(start_paused = true)]
async fn a_few_are_let_in_as_they_came_and_nobody_passes_them() {
    let shed = shed();
    let mut permits = full(&shed, Step::Begin);
    let order = Order::default();
    let mut waiters = Vec::new();
    for name in ["first", "second"] {
        waiters.push(waiter(&shed, Step::Begin, name, &order));
        settle().await;
    }
    permits.pop();
    assert!(shed.admit(Step::Begin).is_none(), "somebody waits");
    settle().await;
    permits.pop();
    settle().await;
    assert_eq!(*order.lock().unwrap(), ["first", "second"]);
    assert_eq!(shed.in_flight(), 16, "the whole room is theirs");
}

#[tokio::test(start_paused = true)]
async fn where_many_wait_half_the_room_is_theirs_and_whoever_came_last_is_next() {
    let shed = Shed::new(ShedOptions { writes_min: 4, writes_first: 4, writes_max: 4, waiting_max: 8 });
    let mut permits = full(&shed, Step::Begin);
    let order = Order::default();
    let mut waiters = Vec::new();
    for name in ["first", "second", "third", "fourth", "fifth", "sixth"] {
        waiters.push(waiter(&shed, Step::Begin, name, &order));
        settle().await;
    }
    permits.truncate(2);
    settle().await;
    assert!(order.lock().unwrap().is_empty(), "half of the room is taken");
    permits.truncate(1);
    settle().await;
    assert_eq!(*order.lock().unwrap(), ["sixth"]);
    // Once the others are no more than there is room for, they go as they came.
    permits.clear();
    settle().await;
    assert_eq!(*order.lock().unwrap(), ["sixth", "fifth", "first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_a_refusal_and_leaves_nothing_behind() {
    let shed = shed();
    let permits = full(&shed, Step::Begin);
    let began = tokio::time::Instant::now();
    assert!(shed.wait(Step::Begin).await.is_none());
    let waited_ms = began.elapsed().as_millis() as u64;
    assert!((WAIT_MS..=2 * WAIT_MS).contains(&waited_ms), "{waited_ms} ms");
    drop(permits);
    assert_eq!(shed.in_flight(), 0);
    assert!(shed.admit(Step::Begin).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_gives_their_leave_to_the_next() {
    let shed = shed();
    let mut permits = full(&shed, Step::Begin);
    let order = Order::default();
    let stays = waiter(&shed, Step::Begin, "stays", &order);
    settle().await;
    let leaves = waiter(&shed, Step::Begin, "leaves", &order);
    settle().await;
    // Both are given leave, and one goes away before it looks.
    permits.truncate(14);
    leaves.abort();
    settle().await;
    assert_eq!(*order.lock().unwrap(), ["stays"]);
    let stayed = stays.await.unwrap();
    assert!(stayed.is_some());
    drop((permits, stayed));
    assert_eq!(shed.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn beyond_the_lines_bound_refusals_are_instant() {
    let shed = shed();
    let _permits = full(&shed, Step::Begin);
    let order = Order::default();
    let _waiters: Vec<_> = (0..8).map(|_| waiter(&shed, Step::Begin, "waits", &order)).collect();
    settle().await;
    let began = tokio::time::Instant::now();
    assert!(shed.wait(Step::Begin).await.is_none());
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[test]
fn the_limit_shrinks_when_answers_take_long_and_grows_when_they_do_not() {
    let shed = shed();
    shed.adapt(5_000, 16);
    assert_eq!(shed.limit(), 18);
    for _ in 0..100 {
        shed.adapt(100_000, 16);
    }
    assert_eq!(shed.limit(), 4);
    for _ in 0..100 {
        shed.adapt(5_000, shed.limit());
    }
    assert_eq!(shed.limit(), 64);
    shed.adapt(5_000, 3);
    assert_eq!(shed.limit(), 64);
}

#[test]
fn a_long_overload_does_not_pass_for_ease_and_a_slower_disk_does() {
    let shed = shed();
    shed.adapt(1_000, 4);
    for _ in 0..10_000 {
        shed.adapt(10_000, 16);
    }
    assert_eq!(shed.limit(), 4, "answers took ten times as long as at ease");
    // Now no more are in flight than always are: what they take is what it takes.
    for _ in 0..100 {
        shed.adapt(10_000, 4);
    }
    assert!(shed.limit() > 4, "{}", shed.limit());
}
