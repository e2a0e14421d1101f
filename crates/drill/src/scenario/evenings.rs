//! The two evenings of 2021. Must never hold a figure of history that [`crate::history`] does not;
//! what is assumed is said at the fields of [`Scenario`].

use jari_core::Time;
use jari_core::waiting_room::Pace;

use super::{Act, Crash, Crowd, Habits, NodeModel, Places, Scenario, Service, What, evening};

const HABITS: Habits = Habits {
    reloads: 0.08,
    gives_up: 0.05,
    returns: 0.05,
    comes_when_called: 0.08,
    patience_mean_s: 1_500.0,
    early_birds: 0.003,
    forgers: 0.002,
    pushers: 0.01,
    replayers: 0.002,
    double_bookers: 0.01,
    repeaters: 0.02,
    id_reusers: 0.002,
    sharers: 0.002,
    late_confirmers: 0.002,
    wrong_age: 0.005,
    wrong_day: 0.0,
    cancels: 0.01,
    stays_when_told: 0.3,
};

const NODE: NodeModel = NodeModel {
    commands_per_s: 20_000,
    mailbox_max: 16_384,
    refusal_cost: 0.004,
    restart_ms: 3_000,
    replays_per_s: 1_000_000,
};

pub(super) const SERVICE: Service = Service { steps_per_s: 2_400, step_ms: 60, patience_ms: 10_000 };

const PACE: Pace = Pace {
    entries_per_minute_max: 33_000,
    passes_max: 60_000,
    pass_ttl_ms: 10 * 60 * 1_000,
    latency_goal_ms: 1_500,
    error_goal_ppm: 10_000,
};

/// Ages 55 to 59, the second attempt: open to everyone at once, scarce, without identity checked
/// beforehand. In ours the number of places is announced, and a raise is told with its reason.
pub const JULY: Scenario = Scenario {
    name: "vaccination-2021-07-14",
    evening: evening(true),
    // 20:00 in Korea.
    opens_at: Time(1_626_260_400_000),
    lobby_s: 3_600,
    ends_s: 12_600,
    identity_bound: false,
    crowd: Crowd {
        eligible: evening(true).eligible as u32,
        come: 1.0,
        early: 0.35,
        rush: 0.2,
        tail_mean_s: 1_500.0,
        devices: [0.62, 0.25, 0.08, 0.05],
    },
    habits: HABITS,
    places: Places {
        quota: 1_250_000,
        clinics: 12_000,
        slots: 12,
        slot_places: 10,
        first_day: (2021, 7, 26),
        born_from: (1962, 1, 1),
        born_until: (1966, 12, 31),
        digit: None,
    },
    pace: PACE,
    service: SERVICE,
    node: NODE,
    script: &[
        Act { at_s: -600, what: What::Crash(Crash::PowerBetween) },
        Act { at_s: 31, what: What::Crash(Crash::PowerDuring) },
        Act { at_s: 540, what: What::Flood { seconds: 20, times: 10.0 } },
        Act { at_s: 900, what: What::Crash(Crash::KillBeforeAnswers) },
        Act { at_s: 1_200, what: What::Pause("예약 시스템 점검 5분: 순서는 그대로입니다") },
        Act { at_s: 1_500, what: What::Resume },
        Act { at_s: 1_800, what: What::ServiceAt(0.5) },
        Act { at_s: 2_100, what: What::ServiceAt(1.0) },
        Act {
            at_s: 2_400, what: What::Quota(1_350_000, "백신 10만 명분이 추가로 배정되었습니다")
        },
        Act { at_s: 2_700, what: What::Crash(Crash::SyncFails) },
        Act { at_s: 10_800, what: What::Close("오늘 예약을 마감합니다") },
    ],
};

/// Ages 18 to 49, the first evening of birth-digit days: identity checked beforehand, one ticket a
/// person, and a tenth of the supply for each day.
pub const AUGUST: Scenario = Scenario {
    name: "vaccination-2021-08-09",
    evening: evening(false),
    opens_at: Time(1_628_506_800_000),
    lobby_s: 1_800,
    ends_s: 14_400,
    identity_bound: true,
    crowd: Crowd {
        eligible: evening(false).eligible as u32,
        come: 0.75,
        early: 0.2,
        rush: 0.25,
        tail_mean_s: 4_200.0,
        devices: [0.62, 0.25, 0.08, 0.05],
    },
    habits: Habits { wrong_day: 0.01, ..HABITS },
    places: Places {
        quota: 14_154_530,
        clinics: 12_000,
        slots: 12,
        slot_places: 99,
        first_day: (2021, 8, 26),
        born_from: (1972, 1, 1),
        born_until: (2003, 9, 30),
        digit: Some(9),
    },
    pace: PACE,
    service: SERVICE,
    node: NODE,
    script: &[
        Act { at_s: -300, what: What::Crash(Crash::KillBeforeAnswers) },
        Act { at_s: 28, what: What::Crash(Crash::PowerBetween) },
        Act { at_s: 600, what: What::Flood { seconds: 20, times: 10.0 } },
        Act { at_s: 1_000, what: What::Crash(Crash::PowerDuring) },
        Act { at_s: 1_500, what: What::Pause("본인확인 기관 장애: 순서는 그대로입니다") },
        Act { at_s: 1_620, what: What::Resume },
        Act { at_s: 2_400, what: What::ServiceAt(0.5) },
        Act { at_s: 2_700, what: What::ServiceAt(1.0) },
        Act { at_s: 5_400, what: What::Crash(Crash::SyncFails) },
    ],
};
