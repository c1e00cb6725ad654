//! The names of the values of parameters that count kinds (3.4 section 5.3.2, 5.0 section 4.8.4). Pure data,
//! lives nowhere.

use crate::values::Names;

pub(super) const SUBUNIT: Names = Names(&[
    (0, "unknown"),
    (1, "ms_display"),
    (2, "mobile_equipment"),
    (3, "smart_card_1"),
    (4, "external_unit_1"),
]);
pub(super) const NETWORK: Names = Names(&[
    (0, "unknown"),
    (1, "gsm"),
    (2, "tdma"),
    (3, "cdma"),
    (4, "pdc"),
    (5, "phs"),
    (6, "iden"),
    (7, "amps"),
    (8, "paging"),
]);
pub(super) const BEARER: Names = Names(&[
    (0, "unknown"),
    (1, "sms"),
    (2, "csd"),
    (3, "packet_data"),
    (4, "ussd"),
    (5, "cdpd"),
    (6, "datatac"),
    (7, "flex"),
    (8, "cell_broadcast"),
]);
pub(super) const PAYLOAD: Names = Names(&[(0, "default"), (1, "wcmp")]);
pub(super) const PRIVACY: Names =
    Names(&[(0, "not_restricted"), (1, "restricted"), (2, "confidential"), (3, "secret")]);
pub(super) const LANGUAGE: Names = Names(&[
    (0, "unspecified"),
    (1, "english"),
    (2, "french"),
    (3, "spanish"),
    (4, "german"),
    (5, "portuguese"),
]);
pub(crate) const VERSION: Names = Names(&[(0x33, "3.3"), (0x34, "3.4"), (0x50, "5.0")]);
pub(super) const DPF_RESULT: Names = Names(&[(0, "not_set"), (1, "set")]);
pub(super) const SET_DPF: Names = Names(&[(0, "not_requested"), (1, "requested")]);
pub(super) const AVAILABILITY: Names =
    Names(&[(0, "available"), (1, "denied"), (2, "unavailable")]);
pub(super) const FAILURE: Names = Names(&[
    (0, "destination_unavailable"),
    (1, "destination_address_invalid"),
    (2, "permanent_network_error"),
    (3, "temporary_network_error"),
]);
pub(super) const MORE: Names = Names(&[(0, "no_more"), (1, "more")]);
pub(super) const USSD: Names = Names(&[
    (0, "pssd_indication"),
    (1, "pssr_indication"),
    (2, "ussr_request"),
    (3, "ussn_request"),
    (16, "pssd_response"),
    (17, "pssr_response"),
    (18, "ussr_confirm"),
    (19, "ussn_confirm"),
]);
pub(super) const CHANNEL: Names = Names(&[(0, "basic"), (1, "extended")]);
/// 5.0 prints 2 for class 1; 1 is meant.
pub(super) const MESSAGE_CLASS: Names =
    Names(&[(0, "none"), (1, "class_1"), (2, "class_2"), (3, "class_3")]);
pub(super) const PORTED: Names = Names(&[(0, "not_queried"), (1, "not_ported"), (2, "ported")]);
pub(super) const DISPLAY: Names = Names(&[(0, "temporary"), (1, "default"), (2, "invoke")]);
pub(super) const REPLY: Names = Names(&[
    (0, "digit"),
    (1, "number"),
    (2, "telephone_number"),
    (3, "password"),
    (4, "character_line"),
    (5, "menu"),
    (6, "date"),
    (7, "time"),
    (8, "continue"),
]);
pub(crate) const WAITING: Names =
    Names(&[(0, "voicemail"), (1, "fax"), (2, "email"), (3, "other")]);
pub(crate) const PRESENTATION: Names =
    Names(&[(0, "allowed"), (1, "restricted"), (2, "not_available")]);
pub(crate) const SCREENING: Names = Names(&[
    (0, "user_not_screened"),
    (1, "user_verified_and_passed"),
    (2, "user_verified_and_failed"),
    (3, "network"),
]);
pub(crate) const SUBADDRESS: Names =
    Names(&[(0x80, "nsap_even"), (0x88, "nsap_odd"), (0xA0, "user_specified")]);
pub(crate) const DIGIT_MODE: Names = Names(&[(0, "tbcd"), (1, "ascii")]);
/// From 4 on 5.0 alone.
pub(crate) const ERROR_NETWORK: Names = Names(&[
    (1, "ansi_136_access_denied"),
    (2, "is_95_access_denied"),
    (3, "gsm"),
    (4, "ansi_136_cause"),
    (5, "is_95_cause"),
    (6, "ansi_41"),
    (7, "smpp"),
    (8, "message_centre"),
]);
pub(crate) const CONTENT_NETWORK: Names =
    Names(&[(0, "generic"), (1, "gsm"), (2, "tdma"), (3, "cdma")]);
pub(crate) const FREQUENCY: Names = Names(&[
    (0x00, "as_often_as_possible"),
    (0x08, "seconds"),
    (0x09, "minutes"),
    (0x0A, "hours"),
    (0x0B, "days"),
    (0x0C, "weeks"),
    (0x0D, "months"),
    (0x0E, "years"),
]);
pub(crate) const AREA: Names = Names(&[(0, "alias"), (1, "ellipsoid_arc"), (2, "polygon")]);
pub(crate) const VALIDITY: Names = Names(&[
    (0, "store_indefinitely"),
    (1, "power_down"),
    (2, "registration_area"),
    (3, "display_only"),
    (4, "relative_time"),
]);
pub(crate) const VALIDITY_UNIT: Names = Names(&[
    (0, "seconds"),
    (1, "minutes"),
    (2, "hours"),
    (3, "days"),
    (4, "weeks"),
    (5, "months"),
    (6, "years"),
]);
pub(crate) const ALERT: Names = Names(&[(0, "default"), (1, "low"), (2, "medium"), (3, "high")]);
