//! What an environment declares.

use std::fmt;

use crate::environment::Environment;
use crate::error::LeanError;
use crate::exclusion;
use crate::ffi;
use crate::object::Owned;

/// What sort of declaration a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeclarationKind {
    /// `axiom`.
    Axiom,
    /// `def`, `abbrev`, `instance`.
    Definition,
    /// `theorem`.
    Theorem,
    /// `opaque`, `partial def`.
    Opaque,
    /// One of the four constants of quotients.
    Quotient,
    /// `inductive`, `structure`, `class`.
    Inductive,
    /// A constructor of an inductive type.
    Constructor,
    /// A recursor of an inductive type.
    Recursor,
}

impl DeclarationKind {
    /// All of them, as `leanpool_declaration_kind` numbers them from 1.
    const ALL: [Self; 8] = [
        Self::Axiom,
        Self::Definition,
        Self::Theorem,
        Self::Opaque,
        Self::Quotient,
        Self::Inductive,
        Self::Constructor,
        Self::Recursor,
    ];

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// Its name, as lean-rs-host has it: `theorem`, `quot`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Axiom => "axiom",
            Self::Definition => "definition",
            Self::Theorem => "theorem",
            Self::Opaque => "opaque",
            Self::Quotient => "quot",
            Self::Inductive => "inductive",
            Self::Constructor => "constructor",
            Self::Recursor => "recursor",
        }
    }
}

impl fmt::Display for DeclarationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Environment<'_> {
    /// Number of modules, imported ones of imported ones included.
    #[must_use]
    pub fn modules(&self) -> u64 {
        let _shared = exclusion::question();
        // SAFETY: attached, as `self` borrows from the token. The object is an `Environment`, and the reference is given
        // away, as an export takes it owned.
        unsafe { ffi::leanpool_environment_modules(self.object().into_raw()) }
    }

    /// Number of constants. Walks all of them: milliseconds for a large environment.
    #[must_use]
    pub fn constants(&self) -> u64 {
        let _shared = exclusion::question();
        // SAFETY: as in `modules`.
        unsafe { ffi::leanpool_environment_constants(self.object().into_raw()) }
    }

    /// What `name` stands for, if it is declared. Names are as Lean writes them: `Nat.add_comm`, `«a b».c`.
    #[must_use]
    pub fn declaration_kind(&self, name: &str) -> Option<DeclarationKind> {
        let _shared = exclusion::question();
        let name = Owned::string(self.thread(), name);
        // SAFETY: as in `modules`; the second object is a `String`.
        let number = unsafe { ffi::leanpool_declaration_kind(self.object().into_raw(), name.into_raw()) };
        DeclarationKind::from_number(number)
    }

    /// Whether `name` is declared.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.declaration_kind(name).is_some()
    }

    /// The type of what `name` stands for, as Lean prints it; `None` if it is not declared.
    ///
    /// # Errors
    ///
    /// [`LeanError::Stale`] and [`LeanError::NoExtensions`]: printing needs the environment's extensions. What Lean throws if it can't print it.
    pub fn declaration_type(&self, name: &str) -> Result<Option<String>, LeanError> {
        self.ask_deeply(|environment| environment.declaration_type_here(name))
    }

    fn declaration_type_here(&self, name: &str) -> Result<Option<String>, LeanError> {
        if !self.contains(name) {
            return Ok(None);
        }
        let _shared = exclusion::question();
        self.refuse_if_unfit()?;
        let thread = self.thread();
        let name = Owned::string(thread, name);
        // SAFETY: as in `modules`; the second object is a `String`; the function is in `IO`.
        let text = unsafe {
            let result =
                ffi::leanpool_declaration_type(self.object().into_raw(), name.into_raw(), ffi::world());
            Owned::from_io_result(thread, result)
        }?;
        text.into_text().map(Some)
    }

    /// The names that are declared below `prefix` (all, if it is empty), sorted, at most `limit`; names that Lean keeps for
    /// itself are left out. Walks all constants: 70 ms for `Lean`.
    ///
    /// # Errors
    ///
    /// [`LeanError::ResourceExhausted`] if the system gives no thread for it.
    pub fn declarations(&self, prefix: &str, limit: u64) -> Result<Vec<String>, LeanError> {
        self.ask_deeply(|environment| environment.declarations_here(prefix, limit))
    }

    fn declarations_here(&self, prefix: &str, limit: u64) -> Result<Vec<String>, LeanError> {
        let _shared = exclusion::question();
        let thread = self.thread();
        let prefix = Owned::string(thread, prefix);
        // SAFETY: as in `modules`; the second object is a `String`. What is returned is owned.
        let names = unsafe {
            let names = ffi::leanpool_declarations(self.object().into_raw(), prefix.into_raw(), limit);
            Owned::from_raw(thread, names)
        };
        names.into_texts()
    }

    /// An error if nothing can be elaborated here: without extensions, or since an import has registered another. To be asked
    /// while imports are held back.
    pub(crate) fn refuse_if_unfit(&self) -> Result<(), LeanError> {
        if !self.facts().extensions {
            return Err(LeanError::NoExtensions);
        }
        let (imported_at, now) = (self.epoch(), exclusion::epoch(self.thread())?);
        if imported_at == now { Ok(()) } else { Err(LeanError::Stale { imported_at, now }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_mean_what_the_package_says() {
        // lean/LeanpoolBackend/Declarations.lean: 0 none, 1 axiom, 2 definition, 3 theorem, 4 opaque, 5 quotient, 6 inductive
        // type, 7 constructor, 8 recursor.
        let kinds: Vec<_> = (0..10)
            .map(|number| DeclarationKind::from_number(number).map(super::DeclarationKind::as_str))
            .collect();
        let names =
            ["axiom", "definition", "theorem", "opaque", "quot", "inductive", "constructor", "recursor"];
        assert_eq!(kinds[0], None);
        assert_eq!(kinds[1..9], names.map(Some));
        assert_eq!(kinds[9], None);
        assert_eq!(DeclarationKind::from_number(u8::MAX), None);
    }
}
