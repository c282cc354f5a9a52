//! Messages of `NETLINK_NETFILTER` to the model. Each function takes the payload of one message and
//! gives `None` for what is not of its kind.

use std::ffi::CStr;

use netlink_bindings::nftables::{
    ExprListAttrs, ExprOps, HookDevAttrs, IterableDataAttrs, IterableExprAttrs,
    IterableExprCtAttrs, IterableExprListAttrs, IterableExprMetaAttrs, IterableExprPayloadAttrs,
    IterableNftHookAttrs, IterableSetelemAttrs, IterableVerdictAttrs, NftHookAttrs, OpGetchainDump,
    OpGetruleDump, OpGetsetDump, OpGetsetelemDump, OpGettableDump, SetDescAttrs,
    SetDescConcatAttrs, SetelemListElemAttrs, TableFlags,
};
use netlink_bindings::traits::NetlinkRequest;
use netlink_bindings::utils::chop_header;

use super::set::RawElement;
use super::{
    Base, Chain, CmpOp, Expr, Family, Hook, Nat, Reject, Rule, Set, Source, Value, Verdict, xt,
};

/// `NFTNL_UDATA_RULE_COMMENT`: the type of a rule's comment in its user data.
const USERDATA_COMMENT: u8 = 0;
/// The register number that stands for the verdict.
const VERDICT: u32 = 0;

/// Reads the family and name of a table whose chains the kernel does not call (`flags dormant`).
pub fn dormant(message: &[u8]) -> Option<(Family, String)> {
    let (header, attributes) = OpGettableDump::decode_reply(message);
    let flags = attributes.get_flags().ok()?;
    let sleeps = flags & TableFlags::Dormant as u32 != 0;
    let family = Family::from_number(header.nfgen_family)?;
    sleeps.then_some((family, text(attributes.get_name().ok()?)))
}

/// Reads a chain.
pub fn chain(message: &[u8]) -> Option<Chain> {
    let (header, attributes) = OpGetchainDump::decode_reply(message);
    let family = Family::from_number(header.nfgen_family)?;
    let kind = attributes.get_type().map(text).unwrap_or_default();
    let drops = attributes.get_policy().is_ok_and(|policy| policy == 0);
    let base = match attributes.get_hook() {
        Ok(hook) => Some(base(family, hook, drops, kind)?),
        Err(_) => None,
    };
    Some(Chain {
        family,
        table: text(attributes.get_table().ok()?),
        name: text(attributes.get_name().ok()?),
        base,
    })
}

fn base(family: Family, hook: IterableNftHookAttrs<'_>, drops: bool, kind: String) -> Option<Base> {
    let mut devices = Vec::new();
    for attribute in hook.flatten() {
        match attribute {
            NftHookAttrs::Dev(name) => devices.push(text(name)),
            NftHookAttrs::Devs(names) => {
                for HookDevAttrs::Name(name) in names.flatten() {
                    devices.push(text(name));
                }
            }
            _ => {}
        }
    }
    devices.dedup();
    Some(Base {
        hook: Hook::from_number(family, hook.get_num().ok()?)?,
        priority: hook.get_priority().ok()?,
        drops,
        kind,
        devices,
    })
}

/// Reads a rule.
pub fn rule(message: &[u8]) -> Option<Rule> {
    let (header, attributes) = OpGetruleDump::decode_reply(message);
    let family = Family::from_number(header.nfgen_family)?;
    let exprs = match attributes.get_expressions() {
        Ok(list) => expressions(family, list),
        Err(_) => Vec::new(),
    };
    Some(Rule {
        family,
        table: text(attributes.get_table().ok()?),
        chain: text(attributes.get_chain().ok()?),
        handle: attributes.get_handle().ok()?,
        comment: attributes.get_userdata().ok().and_then(comment),
        exprs,
    })
}

/// Reads a set, without its elements.
pub fn set(message: &[u8]) -> Option<Set> {
    let (header, attributes) = OpGetsetDump::decode_reply(message);
    let mut fields = Vec::new();
    if let Ok(description) = attributes.get_desc() {
        for part in description.flatten() {
            let SetDescAttrs::Concat(parts) = part else {
                continue;
            };
            for SetDescConcatAttrs::Elem(field) in parts.flatten() {
                fields.push(usize::try_from(field.get_len().ok()?).ok()?);
            }
        }
    }
    Some(Set {
        family: Family::from_number(header.nfgen_family)?,
        table: text(attributes.get_table().ok()?),
        name: text(attributes.get_name().ok()?),
        flags: attributes.get_flags().unwrap_or(0),
        key_len: usize::try_from(attributes.get_key_len().ok()?).ok()?,
        fields,
        elements: Vec::new(),
    })
}

/// Reads the elements of a set from one message of their dump.
pub fn elements(message: &[u8]) -> Vec<RawElement> {
    let (_, attributes) = OpGetsetelemDump::decode_reply(message);
    let Ok(list) = attributes.get_elements() else {
        return Vec::new();
    };
    list.flatten()
        .map(|element| {
            let SetelemListElemAttrs::Elem(element) = element;
            self::element(&element)
        })
        .collect()
}

fn element(attributes: &IterableSetelemAttrs<'_>) -> RawElement {
    const INTERVAL_END: u32 = 0x1;
    const CATCH_ALL: u32 = 0x2;
    let flags = attributes.get_flags().ok();
    let flags = flags.and_then(|bytes| bytes.first_chunk().copied());
    let flags = flags.map_or(0, u32::from_be_bytes);
    let value = match attributes.get_data() {
        Ok(data) => match (data.get_verdict(), data.get_value()) {
            (Ok(verdict), _) => Value::Verdict(self::verdict(&verdict)),
            (_, Ok(bytes)) => Value::Data(bytes.to_vec()),
            _ => Value::None,
        },
        Err(_) => Value::None,
    };
    // The codec counts from here on (NFTA_SET_ELEM_*) without the padding attribute.
    const KEY_END: u16 = 10;
    const EXPRESSIONS: u16 = 11;
    let key = attributes.get_key().ok();
    let key = key.and_then(|data| Some(data.get_value().ok()?.to_vec()));
    let key_end = attribute(attributes.get_buf(), KEY_END);
    let key_end = key_end.and_then(|data| Some(attribute(data, 1)?.to_vec()));
    // One expression may be a counter; of several, some other is among them.
    let single = attributes.get_expr().ok();
    let single = single.and_then(|expr| Some(expr.get_name().ok()?.to_bytes() != b"counter"));
    let several = attribute(attributes.get_buf(), EXPRESSIONS).is_some();
    RawElement {
        key: key.unwrap_or_default(),
        key_end,
        value,
        interval_end: flags & INTERVAL_END != 0,
        catch_all: flags & CATCH_ALL != 0,
        conditional: several || single == Some(true),
    }
}

fn expressions(family: Family, list: IterableExprListAttrs<'_>) -> Vec<Expr> {
    list.map(|element| match element {
        Ok(ExprListAttrs::Elem(expr)) => expression(family, expr),
        Err(_) => Expr::Opaque("malformed".to_owned()),
    })
    .collect()
}

fn expression(family: Family, attributes: IterableExprAttrs<'_>) -> Expr {
    let Ok(name) = attributes.get_name().map(text) else {
        return Expr::Opaque("nameless".to_owned());
    };
    let known = match attributes.get_data() {
        Ok(data) => typed(family, &data),
        Err(_) => untyped(&name, raw_data(attributes.get_buf()).unwrap_or_default()),
    };
    known.unwrap_or(Expr::Opaque(name))
}

/// Finds the data of an expression that the codec has no type for.
fn raw_data(buf: &[u8]) -> Option<&[u8]> {
    attribute(buf, 2)
}

fn attribute(buf: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut at = 0;
    while at < buf.len() {
        let (header, value) = chop_header(buf, &mut at)?;
        if header.r#type == wanted {
            return Some(value);
        }
    }
    None
}

fn number(buf: &[u8], wanted: u16) -> Option<u32> {
    Some(u32::from_be_bytes(*attribute(buf, wanted)?.first_chunk()?))
}

/// Reads an expression by name, for those that the codec does not know.
fn untyped(name: &str, data: &[u8]) -> Option<Expr> {
    let number = |wanted| number(data, wanted);
    let long = |wanted| Some(u64::from_be_bytes(*attribute(data, wanted)?.first_chunk()?));
    Some(match name {
        // NFTA_BYTEORDER_*
        "byteorder" => Expr::ByteOrder {
            sreg: number(1)?,
            dreg: number(2)?,
            len: number(4)?,
            size: number(5)?,
        },
        // NFTA_LIMIT_*; flag 1 turns the condition over.
        "limit" => Expr::Limit {
            rate: long(1)?,
            unit: long(2)?,
            bytes: number(4) == Some(1),
            over: number(5).is_some_and(|flags| flags & 1 != 0),
        },
        "masq" => Expr::Nat { keyword: "masquerade", changes: Nat::Source },
        "redir" => Expr::Nat { keyword: "redirect", changes: Nat::Destination },
        "notrack" => Expr::Notrack,
        "dup" | "last" => Expr::Passive(name.to_owned()),
        _ => return None,
    })
}

fn typed(family: Family, data: &ExprOps<'_>) -> Option<Expr> {
    Some(match data {
        ExprOps::Payload(payload) => payload_expression(payload)?,
        ExprOps::Meta(meta) => meta_expression(meta)?,
        ExprOps::Ct(ct) => ct_expression(ct)?,
        ExprOps::Fib(fib) => Expr::Load {
            dreg: fib.get_dreg().ok()?,
            source: Source::Fib { flags: fib.get_flags().ok()?, result: fib.get_result().ok()? },
        },
        ExprOps::Cmp(cmp) => Expr::Cmp {
            sreg: cmp.get_sreg().ok()?,
            op: comparison(cmp.get_op().ok()?)?,
            data: value(cmp.get_data())?,
        },
        ExprOps::Range(range) => Expr::Range {
            sreg: range.get_sreg().ok()?,
            inverted: range.get_op().ok()? == 1,
            from: value(range.get_from_data())?,
            to: value(range.get_to_data())?,
        },
        ExprOps::Bitwise(bitwise) if bitwise.get_op().unwrap_or(0) == 0 => Expr::Bitwise {
            sreg: bitwise.get_sreg().ok()?,
            dreg: bitwise.get_dreg().ok()?,
            mask: value(bitwise.get_mask())?,
            xor: value(bitwise.get_xor())?,
        },
        // The codec numbers these attributes (NFTA_LOOKUP_*) otherwise than the kernel.
        ExprOps::Lookup(lookup) => {
            let number = |wanted| number(lookup.get_buf(), wanted);
            Expr::Lookup {
                set: text(lookup.get_set().ok()?),
                sreg: number(2)?,
                dreg: number(3),
                inverted: number(5).is_some_and(|flags| flags & 1 != 0),
            }
        }
        ExprOps::Immediate(immediate) => {
            let dreg = immediate.get_dreg().ok()?;
            let data = immediate.get_data().ok()?;
            if dreg == VERDICT {
                Expr::Verdict(verdict(&data.get_verdict().ok()?))
            } else {
                let data = data.get_value().ok()?.to_vec();
                Expr::Constant { dreg, data }
            }
        }
        ExprOps::Counter(counter) => {
            Expr::Counter { packets: counter.get_packets().ok()?, bytes: counter.get_bytes().ok()? }
        }
        ExprOps::Log(log) => Expr::Log { prefix: log.get_prefix().ok().map(text) },
        ExprOps::Reject(reject) => {
            let code = reject.get_icmp_code().unwrap_or(0);
            Expr::Reject(match reject.get_type().ok()? {
                0 => Reject::Icmp(code),
                1 => Reject::TcpReset,
                2 => Reject::Icmpx(code),
                _ => return None,
            })
        }
        ExprOps::Nat(nat) => match nat.get_type().ok()? {
            0 => Expr::Nat { keyword: "snat", changes: Nat::Source },
            _ => Expr::Nat { keyword: "dnat", changes: Nat::Destination },
        },
        ExprOps::Match(found) => Expr::Match(xt::Match::read(
            &text(found.get_name().ok()?),
            found.get_rev().ok()?,
            found.get_info().unwrap_or_default(),
        )),
        ExprOps::Target(target) => Expr::Target(xt::Target::read(
            family,
            &text(target.get_name().ok()?),
            target.get_info().unwrap_or_default(),
        )),
        // NFT_OBJECT_COUNTER: a named counter ends no rule.
        ExprOps::Objref(object) if object.get_imm_type() == Ok(1) => {
            let name = object.get_imm_name().map(text).unwrap_or_default();
            Expr::Passive(format!("counter name \"{name}\""))
        }
        ExprOps::FlowOffload(_) => Expr::Passive("flow add".to_owned()),
        _ => return None,
    })
}

fn payload_expression(payload: &IterableExprPayloadAttrs<'_>) -> Option<Expr> {
    let bytes = Source::Payload {
        base: payload.get_base().ok()?,
        offset: payload.get_offset().ok()?,
        len: payload.get_len().ok()?,
    };
    either(payload.get_dreg().ok(), payload.get_sreg().ok(), bytes)
}

fn meta_expression(meta: &IterableExprMetaAttrs<'_>) -> Option<Expr> {
    let key = Source::Meta(meta.get_key().ok()?);
    either(meta.get_dreg().ok(), meta.get_sreg().ok(), key)
}

fn ct_expression(ct: &IterableExprCtAttrs<'_>) -> Option<Expr> {
    let key = Source::Ct(ct.get_key().ok()?);
    either(ct.get_dreg().ok(), ct.get_sreg().ok(), key)
}

/// The same expression loads with a destination register and stores with a source register.
fn either(dreg: Option<u32>, sreg: Option<u32>, place: Source) -> Option<Expr> {
    match (dreg, sreg) {
        (Some(dreg), _) => Some(Expr::Load { dreg, source: place }),
        (None, Some(sreg)) => Some(Expr::Store { sreg, target: place }),
        (None, None) => None,
    }
}

fn comparison(op: u32) -> Option<CmpOp> {
    Some(match op {
        0 => CmpOp::Eq,
        1 => CmpOp::Neq,
        2 => CmpOp::Lt,
        3 => CmpOp::Lte,
        4 => CmpOp::Gt,
        5 => CmpOp::Gte,
        _ => return None,
    })
}

fn verdict(attributes: &IterableVerdictAttrs<'_>) -> Verdict {
    let chain = || attributes.get_chain().map(text).unwrap_or_default();
    // Negative codes are those of nf_tables itself (NFT_*), the low byte of others is netfilter's.
    let code = attributes.get_code().unwrap_or(u32::MAX).cast_signed();
    match code {
        -1 => Verdict::Continue,
        -2 => Verdict::Break,
        -3 => Verdict::Jump(chain()),
        -4 => Verdict::Goto(chain()),
        -5 => Verdict::Return,
        code => match code & 0xff {
            0 => Verdict::Drop,
            1 => Verdict::Accept,
            3 => Verdict::Queue,
            _ => Verdict::Other(code),
        },
    }
}

fn value<E>(data: Result<IterableDataAttrs<'_>, E>) -> Option<Vec<u8>> {
    Some(data.ok()?.get_value().ok()?.to_vec())
}

/// Reads the comment from a rule's user data: type, length, value.
fn comment(mut data: &[u8]) -> Option<String> {
    while let [kind, length, rest @ ..] = data {
        let (value, next) = rest.split_at_checked(usize::from(*length))?;
        if *kind == USERDATA_COMMENT {
            let text = value.split(|byte| *byte == 0).next()?;
            return Some(String::from_utf8_lossy(text).into_owned());
        }
        data = next;
    }
    None
}

fn text(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}
