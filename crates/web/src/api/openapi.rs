//! The OpenAPI document: made from the handlers' annotations, once.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, Modify, OpenApi};

use super::operator::{
    calls, campaigns as operator_campaigns, desk, directory, messages as operator_messages,
    rooms as operator_rooms, rules as operator_rules, series as operator_series, staff as operator_staff,
};
use super::{bookings, campaigns, demo, identities, operator, partner, rooms, service, standbys};
use crate::problem::{MEDIA_TYPE, ProblemBody};

/// The document as JSON.
#[must_use]
pub fn document() -> &'static str {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    DOCUMENT.get_or_init(|| Document::openapi().to_json().unwrap_or_default())
}

/// Whatever goes wrong is answered as a problem.
pub(super) struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new()
            .description("A problem (RFC 9457): what happened, what is safe, what to do next")
            .content(MEDIA_TYPE, content)
            .build();
        BTreeMap::from([("default".to_owned(), response.into())])
    }
}

struct Carriers;

impl Modify for Carriers {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = |what: &str| {
            SecurityScheme::Http(
                HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(what)).build(),
            )
        };
        components.add_security_scheme("session", bearer("A person's session"));
        components.add_security_scheme("staff", bearer("An operator's session"));
        components.add_security_scheme("partner", bearer("A partner channel's secret"));
        let ticket =
            ApiKeyValue::with_description("jari-ticket", "A room's ticket; also taken as a bearer token");
        components.add_security_scheme("ticket", SecurityScheme::ApiKey(ApiKey::Header(ticket)));
    }
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Jari", description = "Waiting rooms and bookings in which no place is lost and none is given twice."),
    modifiers(&Carriers),
    components(schemas(ProblemBody<'static>)),
    paths(
        rooms::list_rooms, rooms::show_room, rooms::show_now, rooms::show_draw, rooms::show_place, rooms::join_room,
        rooms::leave_room, rooms::enter_room, rooms::list_events,
        campaigns::list_campaigns, campaigns::show_campaign, campaigns::show_eligibility, campaigns::list_regions,
        campaigns::list_districts, campaigns::list_clinics, campaigns::show_desk, campaigns::list_days, campaigns::list_slots,
        campaigns::show_slot,
        identities::ask_code, identities::confirm_code, identities::begin_errand, identities::show_me, identities::forget_me,
        bookings::hold, bookings::list_bookings, bookings::show_booking, bookings::show_by_code, bookings::confirm,
        bookings::cancel, bookings::reschedule, bookings::end_proxy,
        standbys::list_standbys, standbys::stand_by, standbys::stand_down,
        partner::assert_session,
        operator::sign_in, operator::sign_out, operator::set_password,
        operator_rooms::create_room, operator_rooms::schedule_room, operator_rooms::open_room,
        operator_rooms::draw_room, operator_rooms::pause_room, operator_rooms::resume_room,
        operator_rooms::close_room, operator_rooms::set_pace, operator_rooms::set_notices, operator_rooms::set_agent_share,
        operator_campaigns::create_campaign, operator_campaigns::set_rules, operator_campaigns::set_windows,
        operator_campaigns::set_quota, operator_campaigns::pause_campaign, operator_campaigns::resume_campaign,
        operator_campaigns::close_campaign,
        directory::add_clinics, directory::add_desks, directory::add_slots, directory::set_capacity,
        directory::set_withdrawn, directory::find_booking, directory::check_in,
        desk::list_desks, desk::show_day, desk::add_time, desk::mark_no_show, desk::show_contact, desk::walk_in, desk::offer_leftover,
        calls::send_code, calls::begin_call, calls::vouch_for_caller, calls::list_bookings, calls::enter_room, calls::hold,
        calls::confirm, calls::cancel, calls::reschedule, calls::forget_caller,
        operator_rules::show_rules, operator_rules::upgrade_rules,
        operator_messages::show_messages,
        operator_series::show_series, operator_series::listen_to_events, operator_series::show_alarms,
        operator_staff::list_accounts, operator_staff::add_account, operator_staff::set_role,
        operator_staff::lock_account, operator_staff::unlock_account, operator_staff::reset_account,
        operator_staff::list_audit,
        demo::list_messages,
        service::show_alive, service::show_ready, service::show_metrics, service::show_document,
    )
)]
struct Document;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_document_and_the_routes_name_the_same_addresses() {
        let document: serde_json::Value = serde_json::from_str(document()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let methods = |(path, item): (&String, &serde_json::Value)| {
            let path = path.clone();
            let keys: Vec<String> = item.as_object().unwrap().keys().cloned().collect();
            keys.into_iter().map(move |method| (method.to_uppercase(), path.clone()))
        };
        let documented: BTreeSet<(String, String)> = paths.iter().flat_map(methods).collect();
        let routed: BTreeSet<(String, String)> = crate::api::listed()
            .into_iter()
            .map(|(method, path)| (method.to_string(), path.to_owned()))
            .collect();
        assert_eq!(documented, routed);
    }

    #[test]
    fn every_schema_that_is_named_is_there() {
        let text = document();
        let document: serde_json::Value = serde_json::from_str(text).unwrap();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let named = text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
        for name in named {
            assert!(schemas.contains_key(name), "{name} is named but not there");
        }
        assert!(schemas.contains_key("Problem"));
    }
}
