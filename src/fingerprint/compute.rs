//! Computes code fingerprints from the sources; used by `build.rs` and by unit tests.
//!
//! A package's fingerprint covers the tokens of the modules reached from its `lib.rs` (comments,
//! documentation, lint attributes and tests left out; included files left in), its dependencies as the
//! manifests ask for them, the locked versions of all packages below, and the fingerprints of the
//! workspace packages below. The members of a family (a folder whose `mod.rs` holds only `mod` lines and
//! one `family!` call) are left out: each has a fingerprint of its own, which covers its files, its
//! registration and the siblings that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};

/// The crate that describes parameters to editors: what stages say through it is documentation, and changes no result.
const SCHEMA: &str = "schemars";

/// What was found in a workspace.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Fingerprints {
    /// Stage package → (fingerprint, the workspace packages that it reaches, itself included).
    pub(crate) packages: BTreeMap<String, (String, Vec<String>)>,
    /// Module path of a family member → fingerprint.
    pub(crate) members: BTreeMap<String, String>,
}

/// Own code of one package.
struct Package {
    manifest: toml::Table,
    own: String,
}

/// Fingerprints of the packages in `root/stages/*`.
pub(crate) fn workspace(root: &Path) -> Fingerprints {
    let lock: toml::Table = read(&root.join("Cargo.lock")).parse().unwrap();
    let lock = Lock::new(&lock);
    let workspace: toml::Table = read(&root.join("Cargo.toml")).parse().unwrap();
    let mut members = BTreeMap::new();
    let mut packages = BTreeMap::new();
    for entry in fs::read_dir(root.join("stages")).unwrap() {
        let directory = entry.unwrap().path();
        if !directory.join("Cargo.toml").is_file() {
            continue;
        }
        let manifest: toml::Table = read(&directory.join("Cargo.toml")).parse().unwrap();
        let name = manifest["package"]["name"].as_str().unwrap().to_owned();
        let mut source = Source { library: name.replace('-', "_"), own: String::new(), members: &mut members };
        source.module(&directory.join("src/lib.rs"), &directory.join("src"), "");
        let own = format!("{}{}", source.own, manifest_text(&manifest, &workspace));
        packages.insert(name, Package { manifest, own });
    }
    let result = packages.keys().map(|name| (name.clone(), closure(name, &packages, &lock))).collect();
    Fingerprints { packages: result, members: close_members(&members) }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// The dependencies as the manifests ask for them: features are not in the lock file.
fn manifest_text(manifest: &toml::Table, workspace: &toml::Table) -> String {
    let shared = &workspace["workspace"]["dependencies"];
    let mut text = String::new();
    for (name, value) in dependencies(manifest) {
        write!(text, "{name}={value};{};", shared.get(name).map_or(String::new(), ToString::to_string)).unwrap();
    }
    text
}

fn dependencies(manifest: &toml::Table) -> impl Iterator<Item = (&String, &toml::Value)> {
    let tables = ["dependencies", "build-dependencies"].into_iter().filter_map(|table| manifest.get(table)?.as_table());
    tables.flatten().filter(|(name, _)| *name != SCHEMA)
}

/// `Cargo.lock` by package.
struct Lock<'a> {
    packages: BTreeMap<(&'a str, &'a str), &'a toml::Table>,
}

impl<'a> Lock<'a> {
    fn new(lock: &'a toml::Table) -> Self {
        let packages = lock["package"].as_array().unwrap().iter().filter_map(toml::Value::as_table);
        Lock { packages: packages.map(|p| ((p["name"].as_str().unwrap(), p["version"].as_str().unwrap()), p)).collect() }
    }

    /// The package that a lock entry's dependency line (`name` or `name version`) names.
    fn find(&self, line: &str) -> Option<(&'a str, &'a str)> {
        let mut words = line.split(' ');
        let (name, version) = (words.next()?, words.next());
        self.packages.keys().find(|(n, v)| *n == name && version.is_none_or(|version| *v == version)).copied()
    }

    fn dependencies(&self, package: (&str, &str)) -> Vec<&'a str> {
        let list = self.packages.get(&package).and_then(|p| p.get("dependencies")).and_then(toml::Value::as_array);
        list.into_iter().flatten().filter_map(toml::Value::as_str).collect()
    }
}

/// The fingerprint of a package with everything below it, and the workspace packages reached.
fn closure(name: &str, packages: &BTreeMap<String, Package>, lock: &Lock) -> (String, Vec<String>) {
    let mut ours = BTreeSet::new();
    let mut foreign: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut pending = vec![lock.find(name).unwrap_or_else(|| panic!("Cargo.lock lacks {name}"))];
    while let Some(package) = pending.pop() {
        if let Some(own) = packages.get(package.0) {
            if ours.insert(package.0.to_owned()) {
                // The lock lists test-only dependencies too; the manifest tells which are not.
                let wanted: BTreeSet<&str> = dependencies(&own.manifest).map(|(name, _)| name.as_str()).collect();
                let lines = lock.dependencies(package).into_iter();
                pending.extend(lines.filter(|l| wanted.contains(l.split(' ').next().unwrap_or_default())).filter_map(|l| lock.find(l)));
            }
        } else if foreign.insert(package) {
            pending.extend(lock.dependencies(package).into_iter().filter_map(|line| lock.find(line)));
        }
    }
    let mut text = String::new();
    for name in &ours {
        write!(text, "{name}\0{}\0", packages[name].own).unwrap();
    }
    for (name, version) in &foreign {
        let checksum = lock.packages[&(*name, *version)].get("checksum").map_or(String::new(), ToString::to_string);
        write!(text, "{name} {version} {checksum}\0").unwrap();
    }
    (hash(&text), ours.into_iter().collect())
}

/// A member as found in the sources.
struct Member {
    text: String,
    /// Every name that its code mentions, and the names by which siblings mention it.
    mentions: BTreeSet<String>,
    names: Vec<String>,
    family: String,
}

/// A member's fingerprint covers the siblings that it names, directly or through others.
fn close_members(members: &BTreeMap<String, Member>) -> BTreeMap<String, String> {
    let fingerprint = |path: &String| {
        let mut reached: BTreeSet<&String> = BTreeSet::new();
        let mut pending = vec![path];
        while let Some(path) = pending.pop() {
            if reached.insert(path) {
                let member = &members[path];
                let named = |other: &Member| other.family == member.family && other.names.iter().any(|n| member.mentions.contains(n));
                pending.extend(members.iter().filter(|(_, other)| named(other)).map(|(path, _)| path));
            }
        }
        let mut text = String::new();
        for path in reached {
            write!(text, "{path}\0{}\0", members[path].text).unwrap();
        }
        hash(&text)
    };
    members.keys().map(|path| (path.clone(), fingerprint(path))).collect()
}

/// Walks the modules of one package.
struct Source<'a> {
    library: String,
    own: String,
    members: &'a mut BTreeMap<String, Member>,
}

impl Source<'_> {
    /// Adds the module in `file`, whose sub-modules lie in `directory`.
    fn module(&mut self, file: &Path, directory: &Path, path: &str) {
        let mut syntax = syn::parse_file(&read(file)).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        Strip.visit_file_mut(&mut syntax);
        if let Some(registered) = family(&syntax) {
            self.family(&syntax, &registered, directory, path);
            return;
        }
        write!(self.own, "{path}\0{}\0", text(&syntax, file)).unwrap();
        for name in submodules(&syntax, file) {
            let (file, below) = locate(directory, &name);
            self.module(&file, &below, &format!("{path}::{name}"));
        }
    }

    fn family(&mut self, syntax: &syn::File, registered: &[(String, String)], directory: &Path, path: &str) {
        write!(self.own, "{path}\0family {}\0", family_head(syntax, registered)).unwrap();
        for (module, variant) in registered {
            let mut inner = Source { library: self.library.clone(), own: String::new(), members: self.members };
            let (file, below) = locate(directory, module);
            inner.module(&file, &below, &format!("{path}::{module}"));
            let text = format!("{module}::{variant}\0{}", inner.own);
            let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
            let mut mentions: BTreeSet<String> = words.map(str::to_owned).collect();
            mentions.remove(module);
            mentions.remove(variant);
            let member = Member { text, mentions, names: vec![module.clone(), variant.clone()], family: format!("{}{path}", self.library) };
            self.members.insert(format!("{}{path}::{module}", self.library), member);
        }
    }
}

/// Where the file of sub-module `name` is, and where its own sub-modules are.
fn locate(directory: &Path, name: &str) -> (PathBuf, PathBuf) {
    let below = directory.join(name);
    let file = directory.join(format!("{name}.rs"));
    if file.is_file() { (file, below) } else { (below.join("mod.rs"), below) }
}

/// The names of the modules that `mod name;` lines bring in.
fn submodules(syntax: &syn::File, file: &Path) -> Vec<String> {
    let declared = syntax.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() => Some(module),
        _ => None,
    });
    declared
        .map(|module| {
            let moved = module.attrs.iter().any(|a| a.path().is_ident("path"));
            assert!(!moved, "{}: `#[path]` hides a module from the code fingerprint", file.display());
            module.ident.to_string()
        })
        .collect()
}

/// The (module, variant) pairs that a family's `mod.rs` registers; `None` for any other file.
fn family(syntax: &syn::File) -> Option<Vec<(String, String)>> {
    let mut call = None;
    for item in &syntax.items {
        match item {
            syn::Item::Mod(module) if module.content.is_none() => {}
            syn::Item::Macro(item) if call.is_none() && item.mac.path.segments.last()?.ident == "family" => call = Some(&item.mac),
            _ => return None,
        }
    }
    let tokens = call?.tokens.to_string();
    let list = tokens.rsplit_once('{')?.1.trim_end().trim_end_matches('}').to_owned();
    let pairs = list.split(',').filter(|pair| !pair.trim().is_empty());
    pairs.map(|pair| pair.split_once("::").map(|(module, variant)| (module.trim().to_owned(), variant.trim().to_owned()))).collect()
}

/// The family's own declaration: what stands before its list of members, without documentation.
fn family_head(syntax: &syn::File, registered: &[(String, String)]) -> String {
    assert!(!registered.is_empty());
    let call = syntax.items.iter().find_map(|item| if let syn::Item::Macro(item) = item { Some(&item.mac) } else { None });
    let tokens = call.map(|mac| mac.tokens.to_string()).unwrap_or_default();
    let head = tokens.rsplit_once('{').map_or("", |(head, _)| head);
    head.rsplit_once("pub enum").map_or(head, |(_, declaration)| declaration).trim().to_owned()
}

/// The code of a file in canonical form, and the contents of the files that it includes.
fn text(syntax: &syn::File, file: &Path) -> String {
    let mut text = prettyplease::unparse(syntax);
    let mut syntax = syntax.clone();
    let mut includes = Includes { file, digests: String::new() };
    includes.visit_file_mut(&mut syntax);
    text.push_str(&includes.digests);
    text
}

/// Leaves out what never changes a result: documentation, descriptions for editors, lint levels, tests.
struct Strip;

impl VisitMut for Strip {
    fn visit_file_mut(&mut self, file: &mut syn::File) {
        file.items.retain(|item| !is_test(item) && !is_description(item));
        visit_mut::visit_file_mut(self, file);
    }

    fn visit_item_mod_mut(&mut self, module: &mut syn::ItemMod) {
        if let Some((_, items)) = &mut module.content {
            items.retain(|item| !is_test(item) && !is_description(item));
        }
        visit_mut::visit_item_mod_mut(self, module);
    }

    fn visit_attributes_mut(&mut self, attributes: &mut Vec<syn::Attribute>) {
        attributes.retain(|a| !["doc", "allow", "expect", "warn", "deny", SCHEMA].iter().any(|name| a.path().is_ident(name)));
        for attribute in attributes.iter_mut().filter(|a| a.path().is_ident("derive")) {
            let Ok(traits) = attribute.parse_args_with(Punctuated::<syn::Path, syn::Token![,]>::parse_terminated) else { continue };
            let kept: Punctuated<syn::Path, syn::Token![,]> = traits.into_iter().filter(|name| !is_schema_trait(name)).collect();
            *attribute = syn::parse_quote!(#[derive(#kept)]);
        }
        let derives_nothing =
            |a: &syn::Attribute| a.path().is_ident("derive") && a.meta.require_list().is_ok_and(|list| list.tokens.is_empty());
        attributes.retain(|a| !derives_nothing(a));
    }
}

fn is_schema_trait(path: &syn::Path) -> bool {
    path.segments.last().is_some_and(|segment| segment.ident == "JsonSchema")
}

/// Whether an item only describes parameters to editors.
fn is_description(item: &syn::Item) -> bool {
    match item {
        syn::Item::Use(item) => matches!(&item.tree, syn::UseTree::Path(path) if path.ident == SCHEMA),
        syn::Item::Impl(item) => item.trait_.as_ref().is_some_and(|(_, path, _)| is_schema_trait(path)),
        _ => false,
    }
}

fn is_test(item: &syn::Item) -> bool {
    let attributes = match item {
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        _ => return false,
    };
    attributes
        .iter()
        .any(|a| a.path().is_ident("test") || (a.path().is_ident("cfg") && a.meta.to_token_stream().to_string() == "cfg (test)"))
}

/// Finds `include_bytes!`, `include_str!` and `include!`.
struct Includes<'a> {
    file: &'a Path,
    digests: String,
}

impl VisitMut for Includes<'_> {
    fn visit_macro_mut(&mut self, mac: &mut syn::Macro) {
        let name = mac.path.segments.last().map(|s| s.ident.to_string()).unwrap_or_default();
        if ["include_bytes", "include_str", "include"].contains(&name.as_str()) {
            let literal: syn::LitStr = mac.parse_body().unwrap_or_else(|_| {
                panic!("{}: {name}! needs a plain file name, or the code fingerprint can't follow it", self.file.display())
            });
            let path = self.file.parent().unwrap().join(literal.value());
            let bytes = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            write!(self.digests, "{}={}\0", literal.value(), blake3::hash(&bytes)).unwrap();
        }
        visit_mut::visit_macro_mut(self, mac);
    }
}
