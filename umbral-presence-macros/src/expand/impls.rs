//! The two traits that the code implements.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

use super::private::Private;

/// `Group`, with the body of `group_name`.
pub(super) fn group(ident: &Ident, body: &TokenStream, private: &Private) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl #private::Group for #ident {
            fn group_name(&self) -> ::core::result::Result<#private::GroupName, #private::InvalidGroupName> {
                #body
            }
        }
    }
}

/// `FromStr`, with the body of `from_str`, which calls its argument `name`.
pub(super) fn from_str(
    ident: &Ident,
    name: &TokenStream,
    body: &TokenStream,
    private: &Private,
) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl ::core::str::FromStr for #ident {
            type Err = #private::InvalidGroupName;

            fn from_str(#name: &::core::primitive::str) -> ::core::result::Result<Self, #private::InvalidGroupName> {
                #body
            }
        }
    }
}
