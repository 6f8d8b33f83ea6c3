//! Renders chat templates; see the crate expo_jinja.

use crate::ffi::{guarded, text, ExpoBytes, ExpoIds};
use expo_jinja::{json, Rendered, Template};

pub struct ExpoTemplate {
    template: Template,
}

fn render(template: &ExpoTemplate, variables: &str, seconds: i64) -> Result<Rendered, String> {
    let variables = json::read(variables).map_err(|e| e.to_string())?;
    let now = (seconds >= 0).then_some(seconds);
    template.template.render(&variables, now).map_err(|e| e.to_string())
}

fn flat(spans: &[(usize, usize)]) -> Vec<u32> {
    spans.iter().flat_map(|&(begin, end)| [begin as u32, end as u32]).collect()
}

#[no_mangle]
pub unsafe extern "C" fn expo_template_new(
    source: *const u8,
    size: usize,
    error: *mut ExpoBytes,
) -> *mut ExpoTemplate {
    let compiled = guarded(error, || Template::new(text(source, size)?).map_err(|e| e.to_string()));
    compiled.map_or(std::ptr::null_mut(), |template| Box::into_raw(Box::new(ExpoTemplate { template })))
}

#[no_mangle]
pub unsafe extern "C" fn expo_template_free(template: *mut ExpoTemplate) {
    if !template.is_null() {
        drop(Box::from_raw(template));
    }
}

#[no_mangle]
pub unsafe extern "C" fn expo_template_has_generation(template: *const ExpoTemplate) -> bool {
    (*template).template.has_generation()
}

#[no_mangle]
pub unsafe extern "C" fn expo_template_render(
    template: *const ExpoTemplate,
    variables: *const u8,
    size: usize,
    seconds_since_epoch: i64,
    out: *mut ExpoBytes,
    generations: *mut ExpoIds,
    error: *mut ExpoBytes,
) -> bool {
    let rendered =
        guarded(error, || render(&*template, text(variables, size)?, seconds_since_epoch));
    rendered
        .map(|found| {
            *generations = flat(&found.generations).into();
            *out = found.text.into();
        })
        .is_some()
}
