//! The declaration as the runtime finds it.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Path, ext::IdentExt, spanned::Spanned};

use super::{
    given::{Given, given},
    names,
    placed::{at, call},
    private::Private,
};
use crate::model::{Declaration, Matcher, Resolver, Shape, Target, Text};

pub(super) fn declared(declaration: &Declaration<'_>, private: &Private) -> TokenStream {
    let Declaration { target, matcher, resolver, policy, grace } = declaration;
    let Target { ident, docs, .. } = target;
    let constant = constant_of(matcher).map(|path| constant_value(path, private));
    let Given { statics, fields, impls } = given(target, matcher, private);
    let matcher = matcher_value(matcher, private);
    let resolver = resolver_value(resolver, private);
    let policy = option(policy.as_ref().map(|path| policy_value(path, target, private)));
    let grace = option(grace.map(|grace| {
        // At most ten minutes, which is far below what the type holds.
        let millis = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        quote!(::core::time::Duration::from_millis(#millis))
    }));
    let type_name = ident.unraw().to_string();
    let constant_name = names::declaration();
    // Function bodies and tokens are what a declaration costs in compile time, so there is one
    // of each that is needed, and no more.
    quote! {
        #[allow(unused_qualifications)]
        const _: () = {
            #constant
            #statics
            const #constant_name: #private::Declaration = #private::Declaration {
                matcher: #matcher,
                fields: &[#(#fields),*],
                resolver: #resolver,
                policy: #policy,
                grace: #grace,
                type_name: #type_name,
                module_path: ::core::module_path!(),
                docs: #docs,
                file: ::core::file!(),
                line: ::core::line!(),
                column: ::core::column!(),
            };
            #private::inventory::submit!(#constant_name);
            impl #private::Declared for #ident {
                const DECLARATION: &'static #private::Declaration = &#constant_name;
            }
            #impls
        };
    }
}

fn constant_of(matcher: &Matcher) -> Option<&Path> {
    let (Matcher::Prefixes(texts) | Matcher::Exact(texts)) = matcher else { return None };
    texts.iter().find_map(|text| match text {
        Text::Constant(path) => Some(path),
        Text::Literal(_) => None,
    })
}

/// The user's constant, which is checked while the user's crate compiles.
fn constant_value(path: &Path, private: &Private) -> TokenStream {
    let span = path.span();
    let (name, checked) = (names::constant(Span::call_site()), names::constant(span));
    let private = private.at(span);
    let check = quote_spanned!(span=> const _: () = #private::check(#checked););
    let text = quote_spanned! {at(path)=>
        const #name: &::core::primitive::str = #path;
    };
    quote!(#text #check)
}

fn matcher_value(matcher: &Matcher, private: &Private) -> TokenStream {
    let value = match matcher {
        Matcher::Prefixes(prefixes) => {
            let prefixes = prefixes.iter().map(names::text);
            quote!(Prefixes(&[#(#prefixes),*]))
        }
        Matcher::Exact(exact) => {
            let exact = exact.iter().map(names::text);
            quote!(Exact(&[#(#exact),*]))
        }
        Matcher::Pattern(_) => {
            let pattern = names::pattern();
            quote!(Pattern(#pattern))
        }
        Matcher::Matching(path) => {
            let call = call(path, "matches", &["group"], private);
            quote! {
                Matching({
                    fn call(group: &::core::primitive::str) -> ::core::primitive::bool {
                        #call
                    }
                    call
                })
            }
        }
    };
    quote!(#private::DeclaredMatcher::#value)
}

fn resolver_value(resolver: &Resolver, private: &Private) -> TokenStream {
    let value = match resolver {
        Resolver::IdOnly => quote!(IdOnly),
        Resolver::Plain(path) => {
            let call = call(path, "resolve", &["user"], private);
            quote! {
                Plain({
                    fn call(user: &::core::primitive::str) -> #private::Value {
                        #call
                    }
                    call
                })
            }
        }
        Resolver::Batch(path) => {
            let call = call(path, "resolve_batch", &["users", "context"], private);
            quote! {
                Batch({
                    fn call(
                        users: #private::Users,
                        context: #private::ResolveContext,
                    ) -> #private::BatchFuture {
                        #call
                    }
                    call
                })
            }
        }
    };
    quote!(#private::DeclaredResolver::#value)
}

/// A function from a user and the name of a group. The user's function gets the struct, where it can be
/// read from a name.
fn policy_value(path: &Path, target: &Target<'_>, private: &Private) -> TokenStream {
    let ident = target.ident;
    let group = match target.shape {
        Shape::Unit => quote!(::core::result::Result::Ok(::core::clone::Clone::clone(name))),
        Shape::Tuple(_) | Shape::Named(_) => {
            quote!(<#ident as ::core::str::FromStr>::from_str(#private::GroupName::as_str(name)))
        }
    };
    let call = call(path, "may_join", &["user", "group", "context"], private);
    quote!({
        fn call(
            user: ::core::option::Option<&#private::UserId>,
            name: &#private::GroupName,
            context: &#private::ResolveContext,
        ) -> #private::PolicyFuture {
            let group = #group;
            #call
        }
        call
    })
}

fn option(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}
