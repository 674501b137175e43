//! Prints the public API of the library, one item a line, from the JSON that rustdoc writes with
//! `--document-hidden-items`. [`public_api`] makes lines of items; what is an item that counts is decided here.
//!
//! What is `#[doc(hidden)]` is left out, together with the implementations that cannot be written down without it.
//! What is re-exported from a hidden module is listed where it is re-exported. That is why rustdoc has to tell about
//! hidden items: without, it says of a re-export no more than its name.
//!
//! Of an implementation of a trait there is the head, and its types and constants: its functions are the trait's. So
//! a `Clone` that is no longer derived is seen, and one that is written by hand instead of derived is not. What the
//! compiler implements by itself is left out, save that a type is not `Send` or not `Sync`.

use public_api::PublicItem;
use serde_json::Value;
use std::collections::HashSet;
use std::error::Error;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let json = env::args().nth(1).ok_or("usage: public-api-list <JSON of rustdoc>")?;
    let mut library: Value = serde_json::from_slice(&fs::read(&json)?)?;
    let hidden_modules = take_hidden(&mut library)?;

    let shown = Path::new(&json).with_extension("shown.json");
    fs::write(&shown, serde_json::to_vec(&library)?)?;
    let api = public_api::Builder::from_rustdoc_json(&shown).omit_blanket_impls(true).build()?;

    // A type that is re-exported goes by that name, so that a path through a hidden module is the only one there is.
    let of_hidden = |item: &PublicItem| {
        let line = item.to_string();
        line.starts_with("impl") && hidden_modules.iter().any(|module| line.contains(module))
    };
    let left_out: Vec<_> = api.items().filter(|item| of_hidden(item)).map(PublicItem::id).collect();
    for item in api.items() {
        let in_left_out = item.parent_id().is_some_and(|parent| left_out.contains(&parent));
        if !in_left_out && !left_out.contains(&item.id()) {
            println!("{item}");
        }
    }
    Ok(())
}

/// Removes the items that do not count. Returns the paths of the hidden modules at the root, as they begin a name.
fn take_hidden(library: &mut Value) -> Result<Vec<String>, Box<dyn Error>> {
    let root = library["root"].to_string();
    let index = library["index"].as_object_mut().ok_or("no index: this is not rustdoc's JSON")?;
    let name = index.get(&root).and_then(|root| root["name"].as_str()).ok_or("no root")?.to_owned();

    let is_hidden = |item: &Value| {
        let attributes = item["attrs"].as_array().into_iter().flatten();
        attributes.filter_map(|attribute| attribute["other"].as_str()).any(|text| text == "#[doc(hidden)]")
    };
    let at_root = index[&root]["inner"]["module"]["items"].as_array().into_iter().flatten();
    let hidden_modules = at_root
        .filter_map(|id| index.get(&id.to_string()))
        .filter(|item| is_hidden(item) && item["inner"]["module"].is_object())
        .filter_map(|item| item["name"].as_str())
        .map(|module| format!("{name}::{module}::"))
        .collect();

    index.retain(|_, item| !is_hidden(item) && !is_of_compiler(&item["inner"]["impl"]));
    let functions: HashSet<String> = index
        .iter()
        .filter(|(_, item)| item["inner"]["function"].is_object())
        .map(|(id, _)| id.clone())
        .collect();
    for implementation in index.values_mut().filter_map(|item| item.pointer_mut("/inner/impl")) {
        if implementation["trait"].is_object()
            && let Some(items) = implementation["items"].as_array_mut()
        {
            items.retain(|id| !functions.contains(&id.to_string()));
        }
    }
    Ok(hidden_modules)
}

/// Whether nobody wrote the implementation, and nobody misses it. `StructuralPartialEq` comes with a derived
/// `PartialEq` and cannot be named on stable Rust.
fn is_of_compiler(implementation: &Value) -> bool {
    match implementation["trait"]["path"].as_str() {
        Some("Send" | "Sync") if implementation["is_negative"] == true => false,
        Some("StructuralPartialEq") => true,
        _ => implementation["is_synthetic"] == true,
    }
}
