//! The part of JSON Schema that the description uses. A keyword that is not known here is a panic, so that
//! nothing in the description goes unchecked.

use serde_json::Value;

/// What is wrong with a value under a schema of a document; empty if nothing is.
pub(crate) fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    visit(document, schema, value, "$", &mut faults);
    faults
}

/// Follows `$ref` to a place in the document.
pub(crate) fn resolve<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    match value.get("$ref").and_then(Value::as_str) {
        None => value,
        Some(reference) => {
            let pointer = reference.strip_prefix('#').expect("a reference within the document");
            let found = document.pointer(pointer).unwrap_or_else(|| panic!("nothing at {reference}"));
            resolve(document, found)
        }
    }
}

fn visit(document: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let schema = resolve(document, schema);
    let keywords = schema.as_object().unwrap_or_else(|| panic!("{at}: a schema is an object"));
    let mut expect = |ok: bool, what: &str| {
        if !ok {
            faults.push(format!("{at}: {what}: {value}"));
        }
    };
    let number = |limit: &Value| limit.as_f64().unwrap();
    for (keyword, argument) in keywords {
        match keyword.as_str() {
            "description" | "default" => {}
            "type" => {
                let of = |name: &Value| is(value, name.as_str().unwrap());
                let ok = argument.as_array().map_or_else(|| of(argument), |names| names.iter().any(of));
                expect(ok, &format!("not of type {argument}"));
            }
            "const" => expect(value == argument, "another value"),
            "minimum" => expect(value.as_f64().is_none_or(|n| n >= number(argument)), "too small"),
            "maximum" => expect(value.as_f64().is_none_or(|n| n <= number(argument)), "too large"),
            "minLength" => {
                expect(value.as_str().is_none_or(|s| s.chars().count() as f64 >= number(argument)), "short");
            }
            "minItems" => {
                expect(value.as_array().is_none_or(|a| a.len() as f64 >= number(argument)), "short")
            }
            "maxItems" => expect(value.as_array().is_none_or(|a| a.len() as f64 <= number(argument)), "long"),
            "required" => {
                for name in argument.as_array().unwrap() {
                    let name = name.as_str().unwrap();
                    expect(value.as_object().is_none_or(|o| o.contains_key(name)), &format!("no {name}"));
                }
            }
            "enum" => expect(argument.as_array().unwrap().contains(value), "none of those"),
            "not" => expect(!self::faults(document, argument, value).is_empty(), "what it must not be"),
            "oneOf" => {
                let fits = |one: &&Value| self::faults(document, one, value).is_empty();
                let count = argument.as_array().unwrap().iter().filter(fits).count();
                expect(count == 1, &format!("{count} of the alternatives"));
            }
            "properties" | "additionalProperties" | "items" => {}
            unknown => panic!("{at}: the keyword {unknown} is not checked"),
        }
    }
    if let Some(items) = value.as_array()
        && let Some(schema) = schema.get("items")
    {
        for (place, item) in items.iter().enumerate() {
            visit(document, schema, item, &format!("{at}[{place}]"), faults);
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let at = format!("{at}.{name}");
        match (schema.pointer(&format!("/properties/{name}")), schema.get("additionalProperties")) {
            (Some(schema), _) => visit(document, schema, member, &at, faults),
            (None, Some(Value::Bool(false))) => faults.push(format!("{at}: not allowed")),
            (None, Some(schema)) => visit(document, schema, member, &at, faults),
            (None, None) => {}
        }
    }
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        _ => panic!("the type {name} is not checked"),
    }
}
