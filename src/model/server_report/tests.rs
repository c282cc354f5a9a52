//! The code: there and back again, and everything that is refused.

use super::*;

fn report() -> ServerReport {
    let value = serde_json::json!({
        "port": 5432, "verdict": "fault", "id": "tcp.refused_loopback_only",
        "summary": "postgres (pid 7) listens on port 5432 at 127.0.0.1 only.",
        "host": "db1", "at": "2026-03-08T14:00:00Z", "client": "10.1.0.2",
        "addresses": ["10.1.0.5", "fd00::5"], "listening": "loopback_only",
        "owner": "postgres (pid 7, user postgres)", "listens_at": ["127.0.0.1"],
        "accepts_v4": false, "accepts_v6": false, "queue": 0, "backlog": 128,
    });
    serde_json::from_value(value).expect("a report")
}

#[test]
fn a_code_is_short_and_says_the_same_when_read_back() {
    let text = encode(&report());
    assert!(text.lines().all(|line| line.len() <= 76), "{text}");
    assert!(text.lines().count() < 10, "{text}");
    assert_eq!(decode(&text), Ok(report()));
    assert_eq!(progress(&text), Progress::Complete);
}

#[test]
fn what_a_terminal_adds_around_and_within_is_skipped() {
    let text = encode(&report());
    let around = format!("root@db1:~# tcpdoctor diagnose :5432\r\n{text}root@db1:~# ");
    assert_eq!(decode(&around), Ok(report()));
    let indented: String = text.lines().map(|line| format!("   {line}  \r\n")).collect();
    assert_eq!(decode(&indented), Ok(report()));
    let broken: String = text.replace('\n', "").chars().flat_map(|c| [c, '\n']).collect();
    assert_eq!(decode(&broken), Ok(report()));
}

#[test]
fn what_mail_and_chat_make_of_it_is_still_read() {
    let text = encode(&report());
    let each = |change: &dyn Fn(&str) -> String| text.lines().map(change).collect::<String>();
    let one_line = text.replace('\n', "");
    let wrapped: Vec<&str> = (0..one_line.len()).step_by(40).map(|at| &one_line[at..]).collect();
    let wrapped: Vec<String> =
        wrapped.iter().map(|line| line.chars().take(40).collect::<String>()).collect();
    let cases: [(&str, String); 12] = [
        ("quoted", each(&|line| format!("> {line}\n"))),
        ("quoted twice", each(&|line| format!("> > {line}\r\n"))),
        ("quoted by a bar", each(&|line| format!("| {line}\n"))),
        ("no line ends", one_line.clone()),
        ("other line ends", each(&|line| format!("{line}\r\n"))),
        ("old line ends", each(&|line| format!("{line}\r"))),
        ("trailing blanks", each(&|line| format!("{line} \t \n"))),
        ("wrapped anew", wrapped.join("\n")),
        ("blank lines", each(&|line| format!("{line}\n\n"))),
        ("a fence", format!("```\n{text}```\n")),
        ("invisible characters", format!("\u{feff}{}", text.replace('A', "A\u{200b}"))),
        ("a prompt in colour", format!("\u{1b}[32mroot@db1\u{1b}[0m:~# x\r\n{text}root@db1:~# ")),
    ];
    for (what, text) in cases {
        assert_eq!(decode(&text), Ok(report()), "{what}: {text}");
        assert_eq!(progress(&text), Progress::Complete, "{what}");
    }
}

#[test]
fn of_several_codes_the_whole_one_is_read_and_two_of_different_reports_are_refused() {
    let text = encode(&report());
    let mut other = report();
    other.port = 80;
    let other = encode(&other);
    let cut: String = text.chars().take(100).collect();
    assert_eq!(decode(&format!("{cut}\n{text}")), Ok(report()), "copied anew");
    assert_eq!(decode(&format!("{text}{cut}")), Ok(report()));
    assert_eq!(decode(&format!("{text}{text}")), Ok(report()));
    assert_eq!(decode(&format!("{text}{other}")), Err(Refusal::Several));
    assert_eq!(decode(&format!("{cut}{cut}")), Err(Refusal::Truncated));
    assert_eq!(decode(&"tcpdoctor1.".repeat(2000)), Err(Refusal::Truncated));
}

#[test]
fn cut_off_anywhere_or_changed_anywhere_it_is_never_read() {
    let text = encode(&report()).replace('\n', "");
    for length in 0..text.len() {
        let refusal = decode(&text[..length]).expect_err("cut off");
        let honest = matches!(refusal, Refusal::Empty | Refusal::NoCode | Refusal::Truncated);
        assert!(honest, "{length}: {refusal}");
        assert_eq!(progress(&text[..length]), Progress::Open, "{length}");
    }
    for at in 0..text.len() {
        for bit in 0..7 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let changed = String::from_utf8(bytes).expect("ASCII");
            assert!(decode(&changed).is_err(), "{at}: {changed}");
        }
    }
}

#[test]
fn what_is_damaged_truncated_or_no_code_is_refused_with_the_reason() {
    let text = encode(&report());
    let one_line = text.replace('\n', "");
    let cut = &one_line[..one_line.len() - 20];
    let cut_in_checksum = &one_line[..one_line.len() - 3];
    let mut other = one_line.clone().into_bytes();
    other[40] = if other[40] == b'A' { b'B' } else { b'A' };
    let other = String::from_utf8(other).expect("ASCII");
    let starred = one_line.replacen("eyJ", "e*J", 1);
    let newer = one_line.replacen("tcpdoctor1.", "tcpdoctor2.", 1);
    let lines: Vec<&str> = text.lines().collect();
    let without_second = [&lines[..1], &lines[2..]].concat().join("\n");
    let long = "x".repeat(MOST_TEXT + 1);
    let cases: [(&str, &str); 12] = [
        ("", "it is empty"),
        (" \n\r\n", "it is empty"),
        ("hello", "there is no code in it"),
        (&lines[1..].join("\n"), "there is no code in it"),
        (cut, "its end is missing"),
        (cut_in_checksum, "its end is missing"),
        ("tcpdoctor1.", "its end is missing"),
        (&other, "checksum"),
        (&without_second, "checksum"),
        (&starred, "\"*\" does not belong"),
        (&newer, "it begins with tcpdoctor2."),
        (&long, "longer than 32 KiB"),
    ];
    for (text, says) in cases {
        let refusal = decode(text).expect_err(says).to_string();
        assert!(refusal.contains(says), "{refusal}");
    }
}

/// A code with a right checksum around anything.
fn forged(payload: &[u8]) -> String {
    let report = encode(&report());
    assert!(report.starts_with("tcpdoctor1."));
    code::forge(payload)
}

#[test]
fn a_right_checksum_makes_no_report_of_what_is_none() {
    let deep = "[".repeat(5000);
    let cases: [(&[u8], &str); 7] = [
        (b"", "EOF"),
        (b"{}", "missing field"),
        (b"[[1], 2]", "invalid"),
        (b"\xff\xfe", "expected value"),
        (b"{\"port\": 70000}", "invalid value"),
        (b"{\"port\": 1, \"verdict\": \"fine\"}", "unknown variant"),
        (deep.as_bytes(), "invalid type"),
    ];
    for (payload, says) in cases {
        let refusal = decode(&forged(payload)).expect_err(says).to_string();
        assert!(refusal.contains(says), "{refusal}");
    }
}

#[test]
fn hostile_texts_and_lists_are_cut() {
    let mut hostile = report();
    hostile.owner = Some("\u{1b}[2J".repeat(200));
    hostile.listens_at = Some(vec!["x".repeat(400); 30]);
    let sender = Sender { address: "x".repeat(400), segment: None, syns: 1 };
    hostile.senders = Some(vec![sender; 12]);
    let taken = decode(&encode(&hostile)).expect("the checksum is right");
    assert!(taken.owner.is_some_and(|owner| owner.chars().count() <= MOST_CHARS + 3));
    let listens_at = taken.listens_at.unwrap_or_default();
    assert_eq!(listens_at.len(), MOST_ITEMS);
    assert_eq!(taken.senders.map(|senders| senders.len()), Some(MOST_FOUND));
    assert!(listens_at.iter().all(|text| text.chars().count() <= MOST_CHARS + 3));
}

#[test]
fn a_newer_versions_fields_are_skipped_and_the_clients_own_are_not_believed() {
    let mut value = serde_json::to_value(report()).expect("plain data");
    value["moon_phase"] = serde_json::json!({"full": [1, 2, {"x": null}]});
    value["ours"] = true.into();
    value["current"] = true.into();
    value["translated"] = true.into();
    value["set_aside"] = "nothing".into();
    assert_eq!(decode(&forged(value.to_string().as_bytes())), Ok(report()));
}

#[test]
fn absurd_numbers_are_taken_as_they_are_or_refused() {
    let with = |field: &str, number: &str| {
        let mut text = serde_json::to_string(&report()).expect("plain data");
        let end = text.len() - 1;
        text.insert_str(end, &format!(",\"{field}\":{number}"));
        // The field stands there already, as null.
        let text = text.replacen(&format!("\"{field}\":null,"), "", 1);
        decode(&forged(text.as_bytes()))
    };
    for (field, number) in [
        ("syn_recv", "18446744073709551615"),
        ("listen_overflows", "-9223372036854775808"),
        ("window_ms", "1e308"),
        ("watched_ms", "-0.0"),
    ] {
        let taken = with(field, number).unwrap_or_else(|refusal| panic!("{field}: {refusal}"));
        assert!(!taken.brief().is_empty());
    }
    for (field, number) in [
        ("syn_recv", "18446744073709551616"),
        ("syn_recv", "-1"),
        ("syn_recv", "1.5"),
        ("listen_overflows", "1e30"),
        ("window_ms", "1e999"),
        ("window_ms", "NaN"),
        ("arrived", "\"3\""),
    ] {
        let refusal = with(field, number).expect_err(field);
        assert!(matches!(refusal, Refusal::Content(_)), "{field}: {refusal}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(tcpdoctor1?\\.)?[a-zA-Z0-9_.\\-\\PC\n]{0,200}") {
        let _ = decode(&text);
    }

    #[test]
    fn no_payload_makes_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = decode(&forged(&bytes));
    }

    #[test]
    fn one_changed_character_never_passes(at in 0_usize..500, to in "[A-Za-z0-9_-]") {
        let text = encode(&report()).replace('\n', "");
        let at = at % text.len();
        let changed = format!("{}{to}{}", &text[..at], &text[at + 1..]);
        if changed != text {
            proptest::prop_assert!(decode(&changed).is_err(), "{changed}");
        }
    }
}
