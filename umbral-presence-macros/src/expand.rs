//! From a declaration to code. Everything is named by its full path, so that nothing in
//! the user's scope can be taken for it.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{DeriveInput, Ident, Meta, Path, Type, ext::IdentExt, spanned::Spanned};

use crate::{
    args::Args,
    diag::Problems,
    model::{CONSTANT, Declaration, Matcher, Resolver, Shape, Target, runtime},
    pattern::Pattern,
    validate,
};

/// The item as it was, and behind it either the declaration or the errors.
pub(crate) fn presence(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let mut problems = Problems::new();
    let args = Args::read(attribute, &mut problems);
    let private = {
        let runtime = runtime(&args);
        quote!(#runtime::__private)
    };
    let mut parsed = match syn::parse2::<DeriveInput>(item.clone()) {
        Ok(parsed) => parsed,
        Err(error) => {
            validate::not_an_item(item, error, &mut problems);
            let errors = problems.report();
            return quote!(#item #errors);
        }
    };
    only_one(&mut parsed, &mut problems);
    let Some(target) = Target::read(&parsed, &mut problems) else {
        let errors = problems.report();
        return quote!(#parsed #errors);
    };
    let stand_in = stand_in(&target, &private);
    let is_plain = parsed.generics.params.is_empty();
    let declaration = Declaration::new(target, args, &mut problems);
    let errors = problems.report();
    match declaration {
        Some(declaration) if errors.is_empty() => {
            let code = declared(&declaration, &private);
            // It may be there for its declaration alone, which is a use of it.
            quote!(#[allow(dead_code)] #parsed #code)
        }
        // Code that uses the group still compiles, so that the mistake stands alone.
        _ if is_plain => quote!(#parsed #errors #stand_in),
        _ => quote!(#parsed #errors),
    }
}

/// A second `#[presence(..)]` would be a second declaration of the same type.
fn only_one(item: &mut DeriveInput, problems: &mut Problems) {
    item.attrs.retain(|attribute| {
        let path = match &attribute.meta {
            Meta::Path(path) => path,
            Meta::List(list) => &list.path,
            Meta::NameValue(value) => &value.path,
        };
        let again = path.segments.last().is_some_and(|last| last.ident == "presence");
        if again {
            problems.at(attribute, "`#[presence(..)]` is given twice; give one, on one struct");
        }
        !again
    });
}

fn declared(declaration: &Declaration<'_>, private: &TokenStream) -> TokenStream {
    let Declaration { target, matcher, constant, resolver, grace } = declaration;
    let Target { ident, docs, .. } = target;
    let constant = constant.as_ref().map(|path| constant_value(path, private));
    let Given { statics, fields, impls } = given(target, matcher, private);
    let matcher = matcher_value(matcher, private);
    let resolver = resolver_value(resolver, private);
    let grace = option(grace.map(|grace| {
        // At most ten minutes, which is far below what the type holds.
        let millis = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        quote!(::core::time::Duration::from_millis(#millis))
    }));
    let type_name = ident.unraw().to_string();
    // Bodies and tokens are what a declaration costs its user in compile time: one of each
    // that is there is needed.
    quote! {
        #[allow(unused_qualifications)]
        const _: () = {
            #constant
            #statics
            #private::inventory::submit! {
                #private::Declaration {
                    matcher: #matcher,
                    fields: &[#(#fields),*],
                    resolver: #resolver,
                    grace: #grace,
                    type_name: #type_name,
                    module_path: ::core::module_path!(),
                    docs: #docs,
                    file: ::core::file!(),
                    line: ::core::line!(),
                    column: ::core::column!(),
                }
            }
            #impls
        };
    }
}

/// The user's constant, which is checked while the user's crate compiles.
fn constant_value(path: &TokenStream, private: &TokenStream) -> TokenStream {
    let name = format_ident!("{CONSTANT}");
    let span = path.span();
    let (private, checked) = (placed(private, span), Ident::new(CONSTANT, span));
    let check = quote_spanned!(span=> const _: () = #private::check(#checked););
    let text = quote_spanned! {at(path)=>
        const #name: &::core::primitive::str = #path;
    };
    quote!(#text #check)
}

fn matcher_value(matcher: &Matcher, private: &TokenStream) -> TokenStream {
    let value = match matcher {
        Matcher::Prefixes(prefixes) => quote!(Prefixes(&[#(#prefixes),*])),
        Matcher::Exact(names) => quote!(Exact(&[#(#names),*])),
        Matcher::Pattern(_) => {
            let pattern = format_ident!("{PATTERN}");
            quote!(Pattern(#pattern))
        }
        Matcher::Matching(path) => {
            let call = call(path, "matches", &[quote!(group)], private);
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

fn resolver_value(resolver: &Resolver, private: &TokenStream) -> TokenStream {
    let value = match resolver {
        Resolver::IdOnly => quote!(IdOnly),
        Resolver::Plain(path) => {
            let call = call(path, "resolve", &[quote!(user)], private);
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
            let call = call(path, "resolve_batch", &[quote!(users), quote!(context)], private);
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

/// Calls the user's function by one of ours that checks its type. All of the call is at
/// the place of the path, and so is whatever the compiler says of it.
fn call(path: &Path, by: &str, arguments: &[TokenStream], private: &TokenStream) -> TokenStream {
    let (span, by) = (at(path), format_ident!("{by}"));
    let (private, arguments) =
        (placed(private, span), arguments.iter().map(|argument| placed(argument, span)));
    quote_spanned!(span=> #private::#by(#path, #(#arguments),*))
}

/// The same path at another place: the compiler points at all that an expression spans.
fn placed(path: &TokenStream, span: Span) -> TokenStream {
    let token = |mut token: TokenTree| {
        token.set_span(span);
        token
    };
    path.clone().into_iter().map(token).collect()
}

/// The place of the user's `tokens`, for code that is ours all the same: lints that the
/// user has set are not for it.
fn at(tokens: &impl ToTokens) -> Span {
    Span::call_site().located_at(tokens.span())
}

/// Whether names are read as values of the struct.
fn is_typed(target: &Target<'_>) -> bool {
    !matches!(target.shape, Shape::Unit)
}

/// What the expansion calls the pattern, and how the fields are written and read.
const PATTERN: &str = "__PATTERN";
const PARTS: &str = "__PARTS";

/// What the struct gives.
#[derive(Default)]
struct Given {
    statics: TokenStream,
    /// For each field the function that says whether a text is a value of it.
    fields: Vec<TokenStream>,
    impls: TokenStream,
}

/// What the struct gives, by its shape and its matcher.
fn given(target: &Target<'_>, matcher: &Matcher, private: &TokenStream) -> Given {
    let Target { ident, visibility, shape, .. } = target;
    match (shape, matcher) {
        (Shape::Unit, Matcher::Prefixes(prefixes)) => match prefixes.as_slice() {
            [prefix] => Given {
                impls: quote! {
                    impl #ident {
                        #[doc = "The name of the group with this tail behind the prefix.\n\n\
                                 # Errors\n\n\
                                 Where the two together are no valid group name."]
                        #[allow(dead_code)]
                        #visibility fn group(tail: impl ::core::fmt::Display) -> ::core::result::Result<#private::GroupName, #private::InvalidGroupName> {
                            #private::prefixed(#prefix, &tail)
                        }
                    }
                },
                ..Given::default()
            },
            _ => Given::default(),
        },
        (Shape::Unit, Matcher::Exact(names)) => match names.as_slice() {
            [name] => {
                let impls = group(ident, &quote!(#private::GroupName::new(#name)), private);
                Given { impls, ..Given::default() }
            }
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

/// The type of a field, and how it is written and read. Here alone the field must fit.
fn part(field: &Type, private: &TokenStream) -> (TokenStream, TokenStream) {
    (quote!(#private::Part<#field>), quote_spanned!(at(field)=> #private::part::<#field>()))
}

/// `Room(42)` and `room:42`, both ways.
fn tuple(ident: &Ident, field: &Type, prefix: &TokenStream, private: &TokenStream) -> Given {
    let kind = kind(field);
    let expected = match syn::parse2::<syn::LitStr>(prefix.clone()) {
        Ok(text) => format!("a name of the form {}{{{kind}}} (`{ident}`)", text.value()),
        // The text of a constant is not known here.
        Err(_) => format!("a name of `{ident}`, its prefix and then {{{kind}}},"),
    };
    let parts = format_ident!("{PARTS}");
    let (part, value) = part(field, private);
    let name = quote!(#private::written(#prefix, &#parts, &self.0));
    let group = group(ident, &name, private);
    let read = quote!(#private::tail(name, #prefix, &#parts, #expected).map(Self));
    let from_str = from_str(ident, &read, private);
    Given {
        statics: quote!(static #parts: #part = #value;),
        fields: vec![quote!(#parts.is)],
        impls: quote!(#group #from_str),
    }
}

/// `Doc { org: 7, .. }` and `org:7:..`, both ways.
fn named(
    ident: &Ident,
    fields: &[(&Ident, &Type)],
    pattern: &Pattern,
    private: &TokenStream,
) -> Given {
    let expected = format!("a name of the form {} (`{ident}`)", pattern.source.value());
    let cut = format_ident!("{PATTERN}");
    let parts = format_ident!("{PARTS}");
    let pattern_value = pattern_value(pattern, private);
    // In the order of the placeholders, which need not be that of the fields: a list of the
    // first and the rest, and so on.
    let placed: Vec<_> = placed_fields(fields, pattern).collect();
    let [mut types, mut values, mut found, mut given] = [(); 4].map(|()| quote!(()));
    // Names of ours, which no constant of the user has.
    let bound: Vec<_> = (0..placed.len()).map(|i| format_ident!("__part_{i}")).collect();
    for ((name, field), bound) in placed.iter().zip(&bound).rev() {
        let (part, value) = part(field, private);
        types = quote!((#part, #types));
        values = quote!((#value, #values));
        found = quote!((#bound, #found));
        given = quote!((&self.#name, #given));
    }
    let places: Vec<_> = (0..placed.len())
        .map(|i| {
            let rest = vec![quote!(.1); i];
            quote!(#parts #(#rest)* .0)
        })
        .collect();
    let names = placed.iter().map(|(name, _)| name);
    let name = quote!(#private::assembled(&#cut, &#parts, #given));
    let group = group(ident, &name, private);
    let read = quote! {
        match #private::values(name, &#cut, &#parts, #expected) {
            ::core::result::Result::Ok(#found) => ::core::result::Result::Ok(Self { #(#names: #bound),* }),
            ::core::result::Result::Err(error) => ::core::result::Result::Err(error),
        }
    };
    let from_str = from_str(ident, &read, private);
    Given {
        statics: quote! {
            static #parts: #types = #values;
            const #cut: #private::Pattern = #pattern_value;
        },
        fields: places.iter().map(|place| quote!(#place.is)).collect(),
        impls: quote!(#group #from_str),
    }
}

/// The fields in the order of the placeholders.
fn placed_fields<'a, 'i>(
    fields: &'a [(&'i Ident, &'i Type)],
    pattern: &'a Pattern,
) -> impl Iterator<Item = (&'i Ident, &'i Type)> {
    let field = |placeholder| fields.iter().find(|(name, _)| name.unraw() == placeholder);
    pattern.fields.iter().filter_map(field).copied()
}

/// A word for the type of a field: `u64`, or `value` where the type has no plain name.
fn kind(field: &Type) -> String {
    let name = match field {
        // A type that a macro of the user was given comes in a group of its own.
        Type::Group(group) => return kind(&group.elem),
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    };
    name.unwrap_or_else(|| "value".to_owned())
}

fn group(ident: &Ident, body: &TokenStream, private: &TokenStream) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl #private::Group for #ident {
            fn group_name(&self) -> ::core::result::Result<#private::GroupName, #private::InvalidGroupName> {
                #body
            }
        }
    }
}

fn from_str(ident: &Ident, body: &TokenStream, private: &TokenStream) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl ::core::str::FromStr for #ident {
            type Err = #private::InvalidGroupName;

            fn from_str(name: &::core::primitive::str) -> ::core::result::Result<Self, #private::InvalidGroupName> {
                #body
            }
        }
    }
}

fn pattern_value(pattern: &Pattern, private: &TokenStream) -> TokenStream {
    let Pattern { source, literals, fields } = pattern;
    quote! {
        #private::Pattern {
            source: #source,
            literals: &[#(#literals),*],
            fields: &[#(#fields),*],
        }
    }
}

fn option(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

/// What users of the struct need in order to compile, where the declaration is wrong.
fn stand_in(target: &Target<'_>, private: &TokenStream) -> TokenStream {
    let Target { ident, visibility, .. } = target;
    let wrong = quote!(::core::result::Result::Err(#private::foreign("", "")));
    let group = group(ident, &wrong, private);
    let more = if is_typed(target) {
        quote! {
            #[automatically_derived]
            impl ::core::str::FromStr for #ident {
                type Err = #private::InvalidGroupName;

                fn from_str(
                    _: &::core::primitive::str,
                ) -> ::core::result::Result<Self, #private::InvalidGroupName> {
                    #wrong
                }
            }
        }
    } else {
        quote! {
            impl #ident {
                #[allow(dead_code, missing_docs)]
                #visibility fn group(
                    _: impl ::core::fmt::Display,
                ) -> ::core::result::Result<#private::GroupName, #private::InvalidGroupName> {
                    #wrong
                }
            }
        }
    };
    quote! {
        #[allow(unused_qualifications)]
        const _: () = {
            #group
            #more
        };
    }
}
