//! Ids of submit_sm_resp and of receipts: the published pairs under their profiles, what is never
//! converted, and that the form of any carrier is learned from its traffic.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use postrider_core::carrier_id::{Evidence, IdBase, IdForms, IdLearner, folded};
use postrider_core::limits::{ID_PAIRS, ID_PAIRS_KEPT};
use proptest::prelude::*;
use serde_json::Value;

const VECTORS: &str = include_str!("vectors/id_matching.json");

const AS_IS: IdForms = IdForms { response: IdBase::AsIs, receipt: IdBase::AsIs };
const HEX_THEN_DECIMAL: IdForms = IdForms { response: IdBase::Hex, receipt: IdBase::Decimal };
const DECIMAL_THEN_HEX: IdForms = IdForms { response: IdBase::Decimal, receipt: IdBase::Hex };

fn alternatives(forms: IdForms, receipt: &str) -> Vec<String> {
    let ids = forms.alternatives(receipt.as_bytes());
    ids.map(|id| String::from_utf8(id.into_owned()).unwrap()).collect()
}

/// The forms that the rule of a published pair names.
fn forms_of(rule: &str) -> IdForms {
    let mut sides = rule.split('/');
    let (response, receipt) = (sides.next().unwrap(), sides.next());
    match receipt {
        Some(receipt) if response.contains("hex") && receipt.contains("decimal") => {
            HEX_THEN_DECIMAL
        }
        None if rule.contains("hex in response, decimal") => HEX_THEN_DECIMAL,
        None if rule.contains("carrier answers hex") => HEX_THEN_DECIMAL,
        None => AS_IS,
        Some(_) => panic!("{rule}"),
    }
}

#[test]
fn the_published_pairs_match_under_their_profiles() {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    let pairs = file["id_matching"].as_array().unwrap();
    assert_eq!(pairs.len(), 15);
    let mut converted = 0;
    for pair in pairs {
        let text = |key: &str| pair[key].as_str().unwrap();
        let (response, receipt) = (text("submit_sm_resp_id"), text("receipt_id"));
        let forms = forms_of(text("rule"));
        let must = pair["must_match"].as_bool().unwrap();
        assert_eq!(forms.same(response.as_bytes(), receipt.as_bytes()), must, "{pair}");
        if forms != AS_IS {
            converted += 1;
            assert!(!AS_IS.same(response.as_bytes(), receipt.as_bytes()), "by guess: {pair}");
        }
    }
    assert_eq!(converted, 9);
}

#[test]
fn the_id_itself_comes_first_and_is_only_converted_where_the_bases_differ() {
    assert_eq!(alternatives(HEX_THEN_DECIMAL, "0972660181"), ["0972660181", "39f99dd5"]);
    assert_eq!(alternatives(DECIMAL_THEN_HEX, "39F99dd5"), ["39F99dd5", "972660181"]);
    assert_eq!(
        alternatives(HEX_THEN_DECIMAL, "340282366920938463463374607431768211455"),
        ["340282366920938463463374607431768211455", "ffffffffffffffffffffffffffffffff"],
    );
    let bases = [IdBase::AsIs, IdBase::Hex, IdBase::Decimal];
    for (response, receipt) in bases.iter().flat_map(|a| bases.iter().map(move |b| (*a, *b))) {
        let forms = IdForms { response, receipt };
        let differ = forms == HEX_THEN_DECIMAL || forms == DECIMAL_THEN_HEX;
        assert_eq!(alternatives(forms, "123").len(), if differ { 2 } else { 1 }, "{forms:?}");
    }
}

#[test]
fn what_is_no_number_of_the_receipts_base_stands_for_itself() {
    for id in [
        "",
        "39f99dd5",
        "+12",
        "-12",
        " 12",
        "1.2",
        "0x12",
        "340282366920938463463374607431768211456",
        "0e999f21-81ef-4974-a414-3de98174e3c7",
    ] {
        assert_eq!(alternatives(HEX_THEN_DECIMAL, id), [id]);
    }
    for id in ["", "xyz", "0x12", "+12", "100000000000000000000000000000000"] {
        assert_eq!(alternatives(DECIMAL_THEN_HEX, id), [id]);
    }
    assert!(!AS_IS.same(b"", b""), "no id is no other");
    assert!(!HEX_THEN_DECIMAL.same(b"", b"0"));
}

#[test]
fn a_number_of_one_digit_shows_nothing() {
    for (response, receipt) in [("5", "5"), ("00000005", "5"), ("0", "0"), ("", "1"), ("1", "")] {
        assert_eq!(Evidence::of(response.as_bytes(), receipt.as_bytes()), None);
    }
    assert_eq!(Evidence::of(b"a", b"10"), Some(Evidence::HexThenDecimal));
    assert_eq!(Evidence::of(b"10", b"0A"), Some(Evidence::DecimalThenHex));
    assert_eq!(Evidence::of(b"12345678", b"12345678"), Some(Evidence::Same));
    assert_eq!(Evidence::of(b"12345678", b"12345679"), Some(Evidence::Unrelated));
    assert_eq!(Evidence::of(b"AB-1", b"ab-1"), Some(Evidence::Same));
}

/// How an imagined carrier spells the number of a message.
#[derive(Clone, Copy, Debug)]
enum Spelling {
    Decimal { width: usize },
    Hex { width: usize, upper: bool },
    Uuid { upper: bool },
}

impl Spelling {
    fn spell(self, id: u128) -> String {
        match self {
            Spelling::Decimal { width } => format!("{id:0width$}"),
            Spelling::Hex { width, upper: false } => format!("{id:0width$x}"),
            Spelling::Hex { width, upper: true } => format!("{id:0width$X}"),
            Spelling::Uuid { upper } => {
                let digits = format!("{id:032x}");
                let text = format!("{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..]);
                if upper { text.to_uppercase() } else { text }
            }
        }
    }
}

fn decimal() -> impl Strategy<Value = Spelling> {
    prop_oneof![Just(0_usize), Just(10), Just(16)].prop_map(|width| Spelling::Decimal { width })
}

fn hex() -> impl Strategy<Value = Spelling> {
    (prop_oneof![Just(0_usize), Just(8), Just(32)], any::<bool>())
        .prop_map(|(width, upper)| Spelling::Hex { width, upper })
}

fn uuid() -> impl Strategy<Value = Spelling> {
    any::<bool>().prop_map(|upper| Spelling::Uuid { upper })
}

/// Both sides of a carrier, and the forms that are to be found.
fn carrier() -> impl Strategy<Value = (Spelling, Spelling, IdForms)> {
    prop_oneof![
        (decimal(), decimal(), Just(AS_IS)),
        (hex(), hex(), Just(AS_IS)),
        (uuid(), uuid(), Just(AS_IS)),
        (hex(), decimal(), Just(HEX_THEN_DECIMAL)),
        (decimal(), hex(), Just(DECIMAL_THEN_HEX)),
    ]
}

/// Numbers as carriers give them: by the clock, by a counter, 32, 64 or 128 bits.
fn ids() -> impl Strategy<Value = Vec<u128>> {
    let count = ID_PAIRS as usize * 2;
    prop_oneof![
        (10_u128..1 << 40).prop_map(move |first| (first..).take(count).collect()),
        prop::collection::vec(10..=u128::from(u32::MAX), count),
        prop::collection::vec(10..=u128::from(u64::MAX), count),
        prop::collection::vec(10..=u128::MAX, count),
    ]
}

proptest! {
    #[test]
    fn the_form_of_any_carrier_is_learned_despite_noise(
        (response, receipt, forms) in carrier(),
        ids in ids(),
        wrong in prop::collection::vec((any::<u32>(), any::<u64>()), 0..4),
    ) {
        let mut learner = IdLearner::default();
        for (seen, id) in ids.iter().enumerate() {
            if seen < ID_PAIRS as usize {
                prop_assert_eq!(learner.proposal(), None, "too early");
            }
            learner.observe(response.spell(*id).as_bytes(), receipt.spell(*id).as_bytes());
        }
        for (a, b) in &wrong {
            learner.observe(response.spell((*a).into()).as_bytes(), receipt.spell((*b).into()).as_bytes());
        }
        let proposal = learner.proposal().unwrap();
        prop_assert_eq!(proposal.forms, forms);
        prop_assert!(proposal.agreeing as usize >= ids.len());
        prop_assert!(proposal.contradicting as usize <= wrong.len());
        prop_assert!(proposal.confidence_percent >= 90);
        for id in &ids {
            prop_assert!(forms.same(response.spell(*id).as_bytes(), receipt.spell(*id).as_bytes()));
        }
    }

    #[test]
    fn a_carrier_without_one_form_gets_no_proposal(ids in ids(), mixed in 1_usize..5) {
        let mut learner = IdLearner::default();
        for (at, id) in ids.iter().enumerate() {
            let hexadecimal = format!("{id:x}");
            let same = at % (mixed + 1) == 0;
            let receipt = if same { hexadecimal.clone() } else { id.to_string() };
            learner.observe(hexadecimal.as_bytes(), receipt.as_bytes());
        }
        prop_assert_eq!(learner.proposal(), None);
    }

    #[test]
    fn shards_that_pool_their_counts_know_what_one_would(
        ids in ids(),
        shards in prop::collection::vec(0_usize..4, 40),
    ) {
        let mut whole = IdLearner::default();
        let mut apart = [IdLearner::default(); 4];
        for (id, shard) in ids.iter().zip(&shards) {
            let (response, receipt) = (format!("{id:X}"), id.to_string());
            whole.observe(response.as_bytes(), receipt.as_bytes());
            apart[*shard].observe(response.as_bytes(), receipt.as_bytes());
        }
        let mut pooled = IdLearner::from_counts(apart[0].counts());
        apart[1..].iter().for_each(|other| pooled.merge(other));
        prop_assert_eq!(pooled, whole);
    }

    #[test]
    fn spellings_of_one_number_meet_and_others_do_not(a in any::<u64>(), b in any::<u64>(), width in 0_usize..24) {
        prop_assert_eq!(folded(format!("{a:0width$x}").as_bytes()), folded(format!("{a:X}").as_bytes()));
        let meet = folded(format!("{a:0width$x}").as_bytes()) == folded(format!("{b:x}").as_bytes());
        prop_assert_eq!(meet, a == b);
    }
}

#[test]
fn a_carrier_that_changes_its_form_is_believed_after_some_time() {
    let mut learner = IdLearner::default();
    let mut pairs = (1_000_u32..).map(|id| (format!("{id:08X}"), id.to_string()));
    for (response, receipt) in pairs.by_ref().take(5_000) {
        learner.observe(response.as_bytes(), receipt.as_bytes());
        assert!(learner.counts().iter().sum::<u32>() <= ID_PAIRS_KEPT);
    }
    assert_eq!(learner.proposal().unwrap().forms, HEX_THEN_DECIMAL);
    let mut asked = 0;
    while learner.proposal().is_none_or(|proposal| proposal.forms != AS_IS) {
        let (response, _) = pairs.next().unwrap();
        learner.observe(response.as_bytes(), response.as_bytes());
        asked += 1;
        assert!(asked <= 4 * ID_PAIRS_KEPT, "never");
    }
    assert!(asked > ID_PAIRS_KEPT / 2, "{asked}: not by a few");
}
