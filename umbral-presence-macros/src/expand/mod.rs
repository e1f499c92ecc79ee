//! From a declaration to code. The code names everything by its full path, so that nothing in
//! the user's scope can take its place.

mod declared;
mod given;
mod impls;
mod names;
mod placed;
mod private;

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use self::private::Private;
use crate::{args::Args, assemble, diag::Problems, validate};

/// The item as it was, followed by either the declaration or the errors.
pub(crate) fn presence(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let mut problems = Problems::new();
    let args = Args::read(attribute, &mut problems);
    let private = Private::of(&args);
    let mut parsed = match syn::parse2::<DeriveInput>(item.clone()) {
        Ok(parsed) => parsed,
        Err(error) => {
            validate::item::unread(item, error, &mut problems);
            let errors = problems.report();
            return quote!(#item #errors);
        }
    };
    assemble::take_off_others(&mut parsed, &mut problems);
    let Some(target) = assemble::target(&parsed, &mut problems) else {
        let errors = problems.report();
        return quote!(#parsed #errors);
    };
    let is_plain = parsed.generics.params.is_empty();
    let declaration = assemble::declaration(&target, args, &mut problems);
    let errors = problems.report();
    match declaration {
        Some(declaration) if errors.is_empty() => {
            let code = declared::declared(&declaration, &private);
            // The struct may be there only for its declaration, and then nothing else uses it.
            quote!(#[allow(dead_code)] #parsed #code)
        }
        // The stand-in keeps code that uses the group from adding errors of its own.
        _ if is_plain => {
            let stand_in = given::stand_in(&target, &private);
            quote!(#parsed #errors #stand_in)
        }
        _ => quote!(#parsed #errors),
    }
}
