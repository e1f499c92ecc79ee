//! What the struct is given: its name as a group, and the way back from a name.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, Type, ext::IdentExt};

use super::{
    impls::{from_str, group},
    names,
    placed::at,
    private::Private,
};
use crate::{
    model::{Matcher, Shape, Target, Text},
    pattern::Pattern,
};

/// The code that the struct is given.
#[derive(Default)]
pub(super) struct Given {
    pub(super) statics: TokenStream,
    /// For each field the function that says whether a text is a value of it.
    pub(super) fields: Vec<TokenStream>,
    pub(super) impls: TokenStream,
}

/// What the struct is given depends on its shape and its matcher.
pub(super) fn given(target: &Target<'_>, matcher: &Matcher, private: &Private) -> Given {
    let ident = target.ident;
    match (&target.shape, matcher) {
        (Shape::Unit, Matcher::Prefixes(prefixes)) => match prefixes.as_slice() {
            [prefix] => unit(target, prefix, private),
            _ => Given::default(),
        },
        (Shape::Unit, Matcher::Exact(texts)) => match texts.as_slice() {
            [name] => exact(ident, name, private),
            _ => Given::default(),
        },
        (Shape::Tuple(types), Matcher::Prefixes(prefixes)) => match (&types[..], &prefixes[..]) {
            ([field], [prefix]) => tuple(ident, field, prefix, private),
            _ => Given::default(),
        },
        (Shape::Named(fields), Matcher::Pattern(pattern)) => named(ident, fields, pattern, private),
        _ => Given::default(),
    }
}

/// `Room::group("42")` is the name `room:42`.
fn unit(target: &Target<'_>, prefix: &Text, private: &Private) -> Given {
    let Target { ident, visibility, .. } = target;
    let prefix = names::text(prefix);
    let impls = quote! {
        impl #ident {
            #[doc = "The name of the group with this tail behind the prefix.\n\n\
                     # Errors\n\n\
                     Where the two together are no valid group name."]
            #[allow(dead_code)]
            #visibility fn group(tail: impl ::core::fmt::Display) -> ::core::result::Result<#private::GroupName, #private::InvalidGroupName> {
                #private::prefixed(#prefix, &tail)
            }
        }
    };
    Given { impls, ..Given::default() }
}

/// `Lobby` is one group.
fn exact(ident: &Ident, name: &Text, private: &Private) -> Given {
    let name = names::text(name);
    let impls = group(ident, &quote!(#private::GroupName::new(#name)), private);
    Given { impls, ..Given::default() }
}

/// `Room(42)` and `room:42`, both ways.
fn tuple(ident: &Ident, field: &Type, prefix: &Text, private: &Private) -> Given {
    let kind = kind(field);
    let expected = match prefix {
        Text::Literal(text) => format!("a name of the form {}{{{kind}}} (`{ident}`)", text.value()),
        Text::Constant(_) => format!("a name of `{ident}`, its prefix and then {{{kind}}},"),
    };
    let (prefix, parts) = (names::text(prefix), names::parts());
    let (part, value) = part(field, private);
    let name = quote!(#private::written(#prefix, &#parts, &self.0));
    let group = group(ident, &name, private);
    let read = quote!(#private::tail(name, #prefix, &#parts, #expected).map(Self));
    let from_str = from_str(ident, &quote!(name), &read, private);
    Given {
        statics: quote!(static #parts: #part = #value;),
        fields: vec![quote!(#parts.is)],
        impls: quote!(#group #from_str),
    }
}

/// `Doc { org: 7, .. }` and `org:7:..`, both ways.
fn named(ident: &Ident, fields: &[(&Ident, &Type)], pattern: &Pattern, private: &Private) -> Given {
    let expected = format!("a name of the form {} (`{ident}`)", pattern.source.value());
    let (cut, parts) = (names::pattern(), names::parts());
    let pattern_value = pattern_value(pattern, private);
    let ordered = in_order_of_the_placeholders(fields, pattern);
    // A list of any length is a pair of the first and the rest.
    let [mut types, mut values, mut found, mut written] = [(); 4].map(|()| quote!(()));
    // Names of ours, which no constant of the user has.
    let bound: Vec<_> = (0..ordered.len()).map(|i| format_ident!("__part_{i}")).collect();
    for ((name, field), bound) in ordered.iter().zip(&bound).rev() {
        let (part, value) = part(field, private);
        types = quote!((#part, #types));
        values = quote!((#value, #values));
        found = quote!((#bound, #found));
        written = quote!((&self.#name, #written));
    }
    let places: Vec<_> = (0..ordered.len())
        .map(|i| {
            let rest = vec![quote!(.1); i];
            quote!(#parts #(#rest)* .0)
        })
        .collect();
    let field_names = ordered.iter().map(|(name, _)| name);
    let name = quote!(#private::assembled(&#cut, &#parts, #written));
    let group = group(ident, &name, private);
    let read = quote! {
        match #private::values(name, &#cut, &#parts, #expected) {
            ::core::result::Result::Ok(#found) => ::core::result::Result::Ok(Self { #(#field_names: #bound),* }),
            ::core::result::Result::Err(error) => ::core::result::Result::Err(error),
        }
    };
    let from_str = from_str(ident, &quote!(name), &read, private);
    Given {
        statics: quote! {
            static #parts: #types = #values;
            const #cut: #private::Pattern = #pattern_value;
        },
        fields: places.iter().map(|place| quote!(#place.is)).collect(),
        impls: quote!(#group #from_str),
    }
}

/// The type of a field, and how it is written and read. This is the only place where the
/// compiler checks that the field's type can do that.
fn part(field: &Type, private: &Private) -> (TokenStream, TokenStream) {
    (quote!(#private::Part<#field>), quote_spanned!(at(field)=> #private::part::<#field>()))
}

/// The placeholders may stand in another order than the fields.
fn in_order_of_the_placeholders<'i>(
    fields: &[(&'i Ident, &'i Type)],
    pattern: &Pattern,
) -> Vec<(&'i Ident, &'i Type)> {
    let field = |placeholder| fields.iter().find(|(name, _)| name.unraw() == placeholder);
    pattern.fields.iter().filter_map(field).copied().collect()
}

/// A word for the type of a field: `u64`, or `value` for a type without a plain name.
fn kind(field: &Type) -> String {
    let name = match field {
        // A type that comes from a macro of the user stands in a group of its own.
        Type::Group(group) => return kind(&group.elem),
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    };
    name.unwrap_or_else(|| "value".to_owned())
}

fn pattern_value(pattern: &Pattern, private: &Private) -> TokenStream {
    let Pattern { source, literals, fields } = pattern;
    quote! {
        #private::Pattern {
            source: #source,
            literals: &[#(#literals),*],
            fields: &[#(#fields),*],
        }
    }
}

/// What code that uses the struct needs in order to compile, if the declaration is wrong.
pub(super) fn stand_in(target: &Target<'_>, private: &Private) -> TokenStream {
    let Target { ident, visibility, shape, .. } = target;
    let wrong = quote!(::core::result::Result::Err(#private::foreign("", "")));
    let group = group(ident, &wrong, private);
    let declared = quote! {
        impl #private::Declared for #ident {
            const DECLARATION: &'static #private::Declaration = #private::NO_DECLARATION;
        }
    };
    let more = match shape {
        Shape::Unit => quote! {
            impl #ident {
                #[allow(dead_code, missing_docs)]
                #visibility fn group(
                    _: impl ::core::fmt::Display,
                ) -> ::core::result::Result<#private::GroupName, #private::InvalidGroupName> {
                    #wrong
                }
            }
        },
        Shape::Tuple(_) | Shape::Named(_) => from_str(ident, &quote!(_), &wrong, private),
    };
    quote! {
        #[allow(unused_qualifications)]
        const _: () = {
            #declared
            #group
            #more
        };
    }
}
