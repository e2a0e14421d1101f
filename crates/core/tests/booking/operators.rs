//! What operators and clinics may do, its limits, and its public events.

use crate::script::check;

#[test]
fn a_campaign_is_made_once_and_within_limits() {
    let vaccines_33 = ["1"; 33].join(",");
    let windows_65 = ["08:00~09:00"; 65].join(",");
    check(&format!(
        "
        07:00  campaign K1 name= windows=09:00~08:00 -> refused text_unfit
        07:00  campaign K1 name=long -> refused text_unfit
        07:00  campaign K1 vaccine= -> refused text_unfit
        07:00  campaign K1 vaccines= version=0 hold_s=1 -> refused setting_unfit 4
        07:00  campaign K1 vaccines={vaccines_33} -> refused setting_unfit 4
        07:00  campaign K1 version=0 hold_s=1 -> refused setting_unfit 5
        07:00  campaign K1 from=1970-01-01 until=1969-12-31 -> refused setting_unfit 5
        07:00  campaign K1 doses=0 -> refused setting_unfit 5
        07:00  campaign K1 doses=9 -> refused setting_unfit 5
        07:00  campaign K1 windows=09:00~09:00 hold_s=9 -> refused setting_unfit 6
        07:00  campaign K1 windows={windows_65} -> refused setting_unfit 6
        07:00  campaign K1 hold_s=9 offset_min=841 -> refused setting_unfit 7
        07:00  campaign K1 hold_s=3601 -> refused setting_unfit 7
        07:00  campaign K1 offset_min=841 -> refused setting_unfit 8
        07:00  campaign K1 offset_min=-841 -> refused setting_unfit 8
        07:00  campaign K1 quota=77 offset_min=840 hold_s=3600 doses=8 -> done
        07:00  event -> CampaignCreated 1 77
        07:00  campaign K1 name= -> refused campaign_exists
        "
    ));
}

#[test]
fn there_are_so_many_campaigns_and_no_more() {
    let mut table: String = (1..=64).map(|number| format!("07:00  campaign K{number} -> done\n")).collect();
    table.push_str("07:00  campaign K65 name= -> refused full\n");
    check(&table);
}

#[test]
fn rules_change_only_forward_and_in_public() {
    check(
        "
        07:00  campaign K1 version=3 -> done
        07:00  rules K2 version=4 reason= -> refused campaign_unknown
        07:00  rules K1 version=3 reason= -> refused text_unfit
        07:00  rules K1 version=3 doses=9 -> refused setting_unfit 1
        07:00  rules K1 version=4 from=1980-01-01 until=1979-12-31 doses=9 -> refused setting_unfit 3
        07:00  rules K1 version=4 doses=9 -> refused setting_unfit 4
        07:00  rules K1 version=5 doses=2 reason=more -> done
        07:00  event -> RulesSet 1 5 more
        07:00  rules K1 version=4 -> refused setting_unfit 1
        07:00  close K1 -> done
        07:00  rules K1 version=6 reason= -> refused campaign_closed
        ",
    );
}

#[test]
fn windows_are_in_order_and_never_take_a_share_back() {
    check(
        "
        07:00  campaign K1 -> done
        07:00  windows K2 reason= -> refused campaign_unknown
        07:00  windows K1 windows=09:00~08:00 reason=long -> refused text_unfit
        07:00  windows K1 windows=08:00~09:00,10:00~10:00 -> refused setting_unfit 2
        07:00  windows K1 windows=08:00~09:00,07:00~10:00 -> refused setting_unfit 2
        07:00  windows K1 windows=08:00~09:00@x -> refused setting_unfit 1
        07:00  windows K1 windows=08:00~09:00@1@0 -> refused setting_unfit 1
        07:00  windows K1 windows=08:00~09:00@1@101 -> refused setting_unfit 1
        07:00  windows K1 windows=08:00~09:00@1@50,08:00~09:00@2@49 -> refused setting_unfit 2
        07:00  windows K1 windows=08:00~09:00@1@50,08:00~09:00@2@50 reason=new -> done
        07:00  event -> WindowsSet 1 0 new
        07:00  windows K1 windows= -> done
        07:00  close K1 -> done
        07:00  windows K1 windows= -> refused campaign_closed
        ",
    );
}

#[test]
fn quotas_change_in_public() {
    check(
        "
        07:00  campaign K1 vaccines=5,6 -> done
        07:00  quota K2 9 V7 -> refused campaign_unknown
        07:00  quota K1 9 V7 reason= -> refused text_unfit
        07:00  quota K1 9 V2 -> refused vaccine_unknown
        07:00  quota K1 9 reason=fewer -> done
        07:00  event -> QuotaSet 1 9 fewer
        07:00  quota K1 8 V1 reason=fewer -> done
        07:00  event -> VaccineQuotaSet 1 4294967304 fewer
        07:00  close K1 -> done
        07:00  quota K1 9 V7 -> refused campaign_closed
        ",
    );
}

#[test]
fn pauses_have_a_public_reason_and_an_end() {
    check(
        "
        07:00  pause K1 -> refused campaign_unknown
        07:00  resume K1 -> refused campaign_unknown
        07:00  close K1 -> refused campaign_unknown
        07:00  campaign K1 -> done
        07:00  resume K1 -> refused campaign_not_paused
        07:00  pause K1 reason= -> refused text_unfit
        07:00  pause K1 reason=storm -> done
        07:00  event -> CampaignPaused 1 0 storm
        07:00  pause K1 reason=flood -> done
        07:00  event -> CampaignPaused 1 0 flood
        07:00  resume K1 -> done
        07:00  event -> CampaignResumed 1 0
        07:00  close K1 reason=long -> refused text_unfit
        07:00  close K1 reason=over -> done
        07:00  event -> CampaignClosed 1 0 over
        07:00  close K1 reason= -> refused campaign_closed
        07:00  pause K1 reason= -> refused campaign_closed
        07:00  resume K1 -> refused campaign_closed
        ",
    );
}

#[test]
fn clinics_say_where_they_are() {
    check(
        "
        07:00  clinic name= latitude=91000000 -> refused text_unfit
        07:00  clinic address= -> refused text_unfit
        07:00  clinic region= -> refused text_unfit
        07:00  clinic district= -> refused text_unfit
        07:00  clinic postcode= -> refused text_unfit
        07:00  clinic telephone=long -> refused text_unfit
        07:00  clinic latitude=90000001 longitude=180000001 -> refused setting_unfit 7
        07:00  clinic longitude=-180000001 -> refused setting_unfit 8
        07:00  clinic latitude=-90000000 longitude=180000000 telephone= -> clinic C0
        ",
    );
}

#[test]
fn a_clinic_takes_part_in_a_campaign_once() {
    check(
        "
        07:00  desk K1 C0 -> refused campaign_unknown
        07:00  campaign K1 -> done
        07:00  campaign K2 -> done
        07:00  desk K1 C0 -> refused clinic_unknown
        07:00  clinic -> clinic C0
        07:00  desk K1 C0 -> desk D0
        07:00  desk K2 C0 -> desk D1
        07:00  desk K2 C0 -> refused desk_exists 1
        07:00  close K2 -> done
        07:00  desk K2 C9 -> refused campaign_closed
        ",
    );
}

#[test]
fn slots_are_added_all_or_none() {
    let too_many = "1/10:00 ".repeat(2_049);
    let enough = "1/10:00x2 ".repeat(2_048);
    check(&format!(
        "
        07:00  campaign K1 vaccines=1,2 -> done
        07:00  clinic -> clinic C0
        07:00  desk K1 C0 -> desk D0
        07:00  slots D1 -> refused desk_unknown
        07:00  slots D0 -> refused setting_unfit 1
        07:00  slots D0 {too_many} -> refused setting_unfit 2049
        07:00  slots D0 1/10:00x1 1/11:00x1x2 1/12:00x100001 -> refused vaccine_unknown 2
        07:00  slots D0 1/10:00x1 1/11:00x100001x2 -> refused vaccine_unknown 2
        07:00  slots D0 1/10:00x1 1/11:00x1 1/12:00x100001 -> refused setting_unfit 3
        07:00  supply K1 -> 0 0 0 0 0
        07:00  slots D0 1/10:00x100000 1/11:00x3x1 -> slots S0 2
        07:00  slots D0 {enough} -> slots S2 2048
        07:00  supply K1/0 -> 104096 0 0 0 0
        07:00  supply K1/1 -> 3 0 0 0 0
        07:00  close K1 -> done
        07:00  slots D0 -> refused campaign_closed
        "
    ));
}

#[test]
fn a_campaign_never_has_more_places_than_can_be_counted() {
    let big = "1/10:00x100000 ".repeat(2_048);
    let mut table = String::from(
        "
        07:00  campaign K1 -> done
        07:00  clinic -> clinic C0
        07:00  desk K1 C0 -> desk D0
        ",
    );
    // 20 x 2,048 x 100,000 = 4,096,000,000 of 4,294,967,295.
    for batch in 0..20 {
        table.push_str(&format!("07:00  slots D0 {big} -> slots S{} 2048\n", batch * 2_048));
    }
    table.push_str(&format!("07:00  slots D0 {big} -> refused full\n"));
    let nearly = "1/10:00x100000 ".repeat(1_989);
    table.push_str(&format!("07:00  slots D0 {nearly} 1/10:00x67295 1/10:00x0 -> slots S40960 1991\n"));
    table.push_str("07:00  slots D0 1/10:00x1 -> refused full\n");
    table.push_str("07:00  capacity S42950 1 -> refused full\n");
    table.push_str("07:00  capacity S42949 67294 -> done\n");
    table.push_str("07:00  capacity S42950 1 -> done\n");
    check(&table);
}

#[test]
fn places_in_use_cannot_be_taken_away() {
    check(
        "
        07:00  campaign K1 -> done
        07:00  clinic -> clinic C0
        07:00  desk K1 C0 -> desk D0
        07:00  slots D0 1/10:00x5 -> slots S0 1
        09:00  hold S0 P1 -> held B0 until 09:05:00
        09:00  hold S0 P2 -> held B1 until 09:05:00
        09:00  confirm B1 P2 -> confirmed B1
        09:00  capacity S9 1 -> refused slot_unknown
        09:00  withdraw S9 1 -> refused slot_unknown
        09:00  capacity S0 1 reason= -> refused text_unfit
        09:00  withdraw S0 9 reason= -> refused text_unfit
        09:00  capacity S0 100001 -> refused setting_unfit 1
        09:00  capacity S0 1 -> refused places_in_use 2
        09:00  withdraw S0 4 -> refused places_in_use 2
        09:00  withdraw S0 2 reason=fridge -> done
        09:00  event -> WithdrawnSet 0 2 fridge
        09:00  supply K1 -> 1 1 1 0 2
        09:00  capacity S0 3 -> refused places_in_use 4
        09:00  capacity S0 4 reason=nurse -> done
        09:00  event -> CapacitySet 0 4 nurse
        09:00  hold S0 P3 -> refused slot_full
        09:01  withdraw S0 0 -> done
        09:01  hold S0 P3 -> held B2 until 09:06:00
        09:01  capacity S0 9 -> done
        09:01  supply S0 -> 6 2 1 0 0
        09:01  supply D0 -> 6 2 1 0 0
        09:02  close K1 -> done
        09:02  capacity S0 1 reason= -> refused campaign_closed
        09:02  withdraw S0 9 reason= -> refused campaign_closed
        ",
    );
}
