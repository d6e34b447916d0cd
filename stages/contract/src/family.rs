//! Families: interchangeable parts (objectives, attacks, networks, data sets), one file each.

/// Declares a family: an externally tagged enum over its members that derefs to their trait.
///
/// It stands in the `mod.rs` of the family's folder, which holds nothing but `mod` lines and this
/// call: then the code fingerprint of an instance counts only the members that it uses. In TOML a member
/// is `family.member-name = { … }`.
///
/// ```ignore
/// mod nominal;
/// mod trades;
/// planish_contract::family! {
///     /// What training minimises.
///     pub enum AnyObjective: dyn crate::objective::Objective { nominal::Nominal, trades::Trades }
/// }
/// ```
#[macro_export]
macro_rules! family {
    ($(#[$attribute:meta])* pub enum $any:ident: dyn $object:path { $($module:ident::$member:ident),+ $(,)? }) => {
        $(pub use $module::$member;)+

        $(#[$attribute])*
        #[derive(Clone, Debug, $crate::serde::Serialize, $crate::serde::Deserialize, $crate::schemars::JsonSchema)]
        #[serde(rename_all = "kebab-case", crate = "planish_contract::serde")]
        #[schemars(crate = "planish_contract::schemars")]
        #[allow(missing_docs, reason = "each variant is documented where its type is")]
        pub enum $any {
            $($member($member)),+
        }

        impl $any {
            /// The module path of the member, whose code this choice depends on.
            #[must_use]
            pub fn member(&self) -> &'static str {
                match self {
                    $(Self::$member(_) => concat!(module_path!(), "::", stringify!($module))),+
                }
            }
        }

        impl std::ops::Deref for $any {
            type Target = dyn $object;

            fn deref(&self) -> &(dyn $object + 'static) {
                match self {
                    $(Self::$member(member) => member),+
                }
            }
        }
    };
}
