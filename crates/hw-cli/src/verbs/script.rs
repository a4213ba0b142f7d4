//! `headwater script`: what needs no server, since it looks at texts only.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use hw_api::ExitCode;
use hw_options::{
    FaultList, JarProblem, Launch, Machine, ProviderError, Resolved, ScriptProvider, Settings, Version, Warning,
    check_migration, choose_version, extract, parse, resolve, script_version,
};
use serde_json::Value;

use crate::args::{CheckArgs, Format, LaunchArgs, OptionsArgs, ResolveArgs, ScriptParser, ScriptVerb};
use crate::console::Answer;
use crate::context::{Context, Ended};
use crate::failure::{ClientError, Ending};
use crate::render::script::{self, Texts};
use crate::verbs::lists::machine_document;

pub(crate) fn run(context: &mut Context, verb: &ScriptVerb) -> Ended {
    match verb {
        ScriptVerb::Options(args) => options(context, args),
        ScriptVerb::Resolve(args) => resolve_script(context, args),
        ScriptVerb::Check(args) => check(context, args),
    }
}

/// A text with the name that the user knows it by.
struct ScriptText {
    name: String,
    text: Vec<u8>,
}

impl ScriptText {
    fn load(context: &mut Context, file: &Path) -> Result<Self, Ending> {
        if file.as_os_str() == "-" {
            return Ok(Self {
                name: "standard input".to_owned(),
                text: context.console.read_bytes()?,
            });
        }
        Ok(Self {
            name: file.display().to_string(),
            text: read(context, file)?,
        })
    }

    /// The text alone: nothing is imported.
    fn alone(&self) -> Texts<'_> {
        Texts {
            name: self.name.clone(),
            main: &self.text,
            imported: &|_| None,
        }
    }
}

fn read(context: &Context, file: &Path) -> Result<Vec<u8>, Ending> {
    fs::read(context.absolute_path(file)).map_err(|error| {
        ClientError::Input {
            path: file.to_owned(),
            reason: error.to_string(),
        }
        .into()
    })
}

impl From<ScriptParser> for Version {
    fn from(parser: ScriptParser) -> Self {
        match parser {
            ScriptParser::V1 => Self::V1,
            ScriptParser::V2 => Self::V2,
        }
    }
}

fn options(context: &mut Context, args: &OptionsArgs) -> Ended {
    let format = context.console.plain_format(Answer::Document)?;
    let script = match (args.parser, &args.key) {
        (ScriptParser::V1, None) => return Err(no_keyword()),
        _ => ScriptText::load(context, &args.file)?,
    };
    match (args.parser, &args.key) {
        (ScriptParser::V1, Some(keyword)) => match extract(&script.text, keyword.as_bytes()) {
            Ok(found) => {
                let list: Vec<_> = found.option.iter().collect();
                let document = script::extracted(&script.text, &found);
                let view = |context: &Context| script::options_grid(&script.text, &list, context.console.layout());
                show(context, format, &document, view)?;
                warn(context, format, &found.warnings, &script.name);
                Ok(ExitCode::Done)
            }
            Err(faults) => refuse(context, format, &faults, &script.alone()),
        },
        (_, key) => match parse(&script.text) {
            Ok(options) => {
                let list = script::of_key(&options, key.as_deref());
                let warnings = options.warnings(&script.text);
                let document = script::options(&script.text, &list, &warnings);
                let view = |context: &Context| script::options_grid(&script.text, &list, context.console.layout());
                show(context, format, &document, view)?;
                warn(context, format, &warnings, &script.name);
                Ok(ExitCode::Done)
            }
            Err(faults) => refuse(context, format, &faults, &script.alone()),
        },
    }
}

fn no_keyword() -> Ending {
    ClientError::Usage {
        reason: "the first parser looks for one keyword, and none is named".to_owned(),
        help: Some("add `--key %jar` for instance, or take `--parser v2`, which finds all options".to_owned()),
    }
    .into()
}

fn resolve_script(context: &mut Context, args: &ResolveArgs) -> Ended {
    let format = context.console.plain_format(Answer::Document)?;
    let script = ScriptText::load(context, &args.file)?;
    let mut files = Files::load(context, args)?;
    let asked = args.parser.map(Version::from);
    let own = script_version(&script.text);
    let settings = Settings {
        strict_script_class: args.strict_scriptclass,
        ..Settings::new(choose_version(own, asked))
    };
    let overruled = match (own, asked) {
        (Some(own), Some(asked)) if own != asked => Some(format!(
            "the script chooses its parser by `%env SCRIPT_OPTIONS_PARSER_VERSION`: {own:?} is used, not {asked:?}"
        )),
        _ => None,
    };
    if let Some(message) = &overruled {
        context.console.warn(message);
    }
    let done = resolve(&script.text, settings, &mut files)
        .and_then(|resolved| launch(context, &resolved, &args.launch).map(|launch| (resolved, launch)));
    match done {
        Ok((resolved, launch)) => {
            let mut document = script::resolved(&resolved, launch.as_ref());
            script::add_remark(&mut document, overruled.as_deref());
            let view = |context: &Context| resolved_view(context, &resolved, launch.as_ref());
            show(context, format, &document, view)?;
            warn(context, format, &resolved.warnings, &script.name);
            Ok(ExitCode::Done)
        }
        Err(faults) => {
            let imported = |name: &[u8]| files.text(name);
            let texts = Texts {
                imported: &imported,
                ..script.alone()
            };
            refuse(context, format, &faults, &texts)
        }
    }
}

/// What the script asks for, then its text.
fn resolved_view(context: &Context, resolved: &Resolved<'_>, launch: Option<&Launch>) -> String {
    let parts = script::parts(resolved, launch, context.console.layout());
    format!("{parts}\n{}", String::from_utf8_lossy(&resolved.code).trim_end())
}

/// The start of the virtual machine, if it was asked for.
fn launch(context: &Context, resolved: &Resolved<'_>, args: &LaunchArgs) -> Result<Option<Launch>, FaultList> {
    if !args.launch {
        return Ok(None);
    }
    let machine = Machine {
        runtime_jar: args.runtime_jar.as_os_str().as_bytes(),
        memory_limit: args.memory_limit,
        script_name: args.script_name.as_bytes(),
    };
    hw_options::launch(resolved, &machine, |jar| usable_jar(context, jar)).map(Some)
}

fn usable_jar(context: &Context, jar: &[u8]) -> Result<(), JarProblem> {
    let path = context.absolute_path(Path::new(OsStr::from_bytes(jar)));
    let facts = fs::metadata(&path).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => JarProblem::NoAccess,
        _ => JarProblem::Missing,
    })?;
    match facts.is_file() {
        true => fs::File::open(&path).map(drop).map_err(|_| JarProblem::NoAccess),
        false => Err(JarProblem::NotAFile),
    }
}

fn check(context: &mut Context, args: &CheckArgs) -> Ended {
    let format = context.console.plain_format(Answer::Document)?;
    let script = ScriptText::load(context, &args.file)?;
    let migration = check_migration(&script.text);
    let document = script::migration(&migration);
    let texts = script.alone();
    show(context, format, &document, |context| {
        if migration.is_empty() {
            return "the second parser makes the same of it".to_owned();
        }
        let style = context.console.style;
        let list = FaultList {
            faults: migration.faults.clone(),
            left_out: 0,
        };
        let changes = migration
            .changes
            .iter()
            .map(|change| script::told_change(change, &texts, style));
        let faults = (!migration.faults.is_empty()).then(|| script::told(&list, &texts, style));
        faults.into_iter().chain(changes).collect::<Vec<_>>().join("\n\n")
    })?;
    match migration.faults.is_empty() {
        true => Ok(ExitCode::Done),
        false => Ok(ExitCode::BadInput),
    }
}

/// Prints an answer.
fn show(
    context: &mut Context,
    format: Format,
    document: &Value,
    view: impl FnOnce(&Context) -> String,
) -> Result<(), Ending> {
    match (context.console.quiet, format) {
        (true, _) => Ok(()),
        (false, Format::Table) => {
            let text = view(context);
            context.console.line(text.trim_end_matches('\n'))
        }
        (false, format) => machine_document(context, &document.to_string(), format),
    }
}

/// Warnings are in the document already, for whoever reads that.
fn warn(context: &mut Context, format: Format, warnings: &[Warning], name: &str) {
    if format == Format::Table {
        for warning in warnings {
            context.console.warn(script::warning(warning, name));
        }
    }
}

/// The faults are the answer.
fn refuse(context: &mut Context, format: Format, faults: &FaultList, texts: &Texts<'_>) -> Ended {
    let document = script::faults(faults);
    let style = context.console.style;
    show(context, format, &document, |_| script::told(faults, texts, style))?;
    Ok(ExitCode::BadInput)
}

/// Scripts in files, by names that follow the rules of SQL identifiers.
struct Files {
    texts: BTreeMap<Vec<u8>, Arc<[u8]>>,
}

impl Files {
    fn load(context: &Context, args: &ResolveArgs) -> Result<Self, Ending> {
        let mut texts = BTreeMap::new();
        for (name, file) in &args.import {
            if let Some(file) = file {
                texts.insert(folded(name.as_bytes()), Arc::from(read(context, file)?));
            }
        }
        Ok(Self { texts })
    }

    fn text(&self, name: &[u8]) -> Option<Arc<[u8]>> {
        self.texts.get(&folded(name)).map(Arc::clone)
    }
}

impl ScriptProvider for Files {
    fn script(&mut self, name: &[u8]) -> Result<Arc<[u8]>, ProviderError> {
        let text = self.text(name);
        text.ok_or_else(|| ProviderError::Refused(format!("no such script: {}", String::from_utf8_lossy(name))))
    }
}

/// A name as the catalog has it: parts in quotes as they are, the others in upper case.
fn folded(name: &[u8]) -> Vec<u8> {
    let mut quoted = false;
    let fold = |byte: &u8| {
        quoted ^= *byte == b'"';
        match quoted {
            true => *byte,
            false => byte.to_ascii_uppercase(),
        }
    };
    let folded: Vec<u8> = name.iter().map(fold).collect();
    // `"NAME"` and `NAME` are the same; other quotes stay, so that a dot within them does not part anything.
    let is_plain = |part: &[u8]| {
        part.iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_')
    };
    let unquoted = folded.split(|byte| *byte == b'.').map(|part| match part {
        [b'"', inner @ .., b'"'] if is_plain(inner) => inner,
        part => part,
    });
    unquoted.collect::<Vec<_>>().join(&b'.')
}

#[cfg(test)]
mod tests {
    use super::folded;

    #[test]
    fn names_follow_the_rules_of_sql() {
        for (name, expected) in [
            ("helper", "HELPER"),
            ("Lib.Helper_1", "LIB.HELPER_1"),
            ("\"HELPER\"", "HELPER"),
            ("\"Helper\"", "\"Helper\""),
            ("lib.\"Helper\"", "LIB.\"Helper\""),
            ("\"a.b\".c", "\"a.b\".C"),
        ] {
            assert_eq!(folded(name.as_bytes()), expected.as_bytes(), "{name}");
        }
    }
}
