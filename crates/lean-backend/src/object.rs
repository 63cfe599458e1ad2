//! One owner type a pointer: who releases a Lean object is told by the types.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;

use crate::error::LeanError;
use crate::ffi;
use crate::thread::{LeanThread, Started};

/// A Lean object that this value owns one reference to; dropping it gives the reference back.
///
/// A clone is one more reference to the same object. Neither `Send` nor `Sync`: until `lean_mark_mt` a reference
/// count is a plain integer that only one thread may touch. `'lean` is the borrow of the [`LeanThread`] that it was
/// made on, so it cannot outlive the thread's attachment.
pub struct Owned<'lean> {
    /// Never null. May be a boxed scalar (an odd number), which has no reference count.
    pointer: *mut ffi::lean_object,
    thread: &'lean LeanThread,
}

/// A Lean object that some [`Owned`] keeps alive for `'a`.
#[derive(Clone, Copy)]
pub struct Borrowed<'a, 'lean> {
    pointer: *mut ffi::lean_object,
    thread: &'lean LeanThread,
    keeper: PhantomData<&'a Owned<'lean>>,
}

impl<'lean> Owned<'lean> {
    /// A Lean `String` with a copy of `text`, which may hold NUL.
    #[must_use]
    pub fn string(thread: &'lean LeanThread, text: &str) -> Self {
        // SAFETY: the token proves that the runtime is started and this thread attached. The callee reads `len` bytes
        // at `as_ptr`, which a `str` has, keeps neither, and returns an object that the caller owns.
        unsafe { Owned::from_raw(thread, ffi::lean_mk_string_from_bytes(text.as_ptr(), text.len())) }
    }

    /// A Lean `Array String` of `items`, in order.
    pub fn string_array<S: AsRef<str>>(
        thread: &'lean LeanThread,
        items: impl IntoIterator<Item = S>,
    ) -> Self {
        // `lean_mk_array(0, _)` because `lean_mk_empty_array_with_capacity` is an inline allocator in lean-sys.
        //
        // SAFETY: attached, as above. Both arguments are owned boxed scalars; the result is an owned, empty array.
        let empty =
            unsafe { Owned::from_raw(thread, ffi::lean_mk_array(ffi::lean_box(0), ffi::lean_box(0))) };
        items.into_iter().fold(empty, |array, item| {
            let item = Owned::string(thread, item.as_ref());
            // SAFETY: attached, as above. `array` is an array by induction; both arguments are given away, as the
            // callee takes them owned, and the result is an owned array.
            unsafe { Owned::from_raw(thread, ffi::lean_array_push(array.into_raw(), item.into_raw())) }
        })
    }

    /// This object, without giving its reference away.
    #[must_use]
    pub fn as_borrowed(&self) -> Borrowed<'_, 'lean> {
        Borrowed { pointer: self.pointer, thread: self.thread, keeper: PhantomData }
    }

    /// The token of the thread that this object belongs to.
    pub(crate) fn thread(&self) -> &'lean LeanThread {
        self.thread
    }

    /// The text of a Lean `String`.
    pub(crate) fn into_text(self) -> Result<String, LeanError> {
        let text = self.as_borrowed().text().map(Cow::into_owned);
        text.ok_or_else(|| LeanError::toolchain("the package in lean/ gave something else than a string"))
    }

    /// The texts of a Lean `Array String`.
    pub(crate) fn into_texts(self) -> Result<Vec<String>, LeanError> {
        let items = self.as_borrowed().items();
        let texts =
            items.and_then(|items| items.into_iter().map(|item| item.text().map(Cow::into_owned)).collect());
        texts.ok_or_else(|| LeanError::toolchain("the package in lean/ gave something else than strings"))
    }

    /// Takes charge of one reference to `pointer`.
    ///
    /// # Safety
    ///
    /// `pointer` is a boxed scalar or a live Lean object, the caller owns one reference to it and gives that one up,
    /// and only this thread touches it (or it is marked as shared, or has no reference count).
    pub(crate) unsafe fn from_raw(thread: &'lean LeanThread, pointer: *mut ffi::lean_object) -> Self {
        debug_assert!(!pointer.is_null());
        Owned { pointer, thread }
    }

    /// Gives this reference to the caller, who must pass it to something that releases it.
    pub(crate) fn into_raw(self) -> *mut ffi::lean_object {
        ManuallyDrop::new(self).pointer
    }

    /// The value in the result of an `IO` function, or the error that it threw.
    ///
    /// # Safety
    ///
    /// `result` is what an `IO` function returned on this thread, and the caller gives up its reference to it.
    pub(crate) unsafe fn from_io_result(
        thread: &'lean LeanThread,
        result: *mut ffi::lean_object,
    ) -> Result<Self, LeanError> {
        // SAFETY: the caller owns what an `IO` function returned, and gives it up.
        let result = unsafe { Owned::from_raw(thread, result) };
        // SAFETY: an `IO` result is a constructor object whose field 0 is the value or the error in both layouts
        // (4.23 and 4.27); `result` keeps it alive during the borrow.
        let field = unsafe {
            let pointer = ffi::lean_ctor_get(result.pointer, 0);
            Borrowed { pointer, thread, keeper: PhantomData::<&Owned<'lean>> }.to_owned()
        };
        match result.as_borrowed().tag() {
            0 => Ok(field),
            _ => Err(thrown(field)),
        }
    }
}

impl Clone for Owned<'_> {
    fn clone(&self) -> Self {
        self.as_borrowed().to_owned()
    }
}

impl Drop for Owned<'_> {
    fn drop(&mut self) {
        // SAFETY: this value owns one reference and ends here. It cannot leave its thread, and the thread is attached
        // as long as `'lean` lasts.
        unsafe { ffi::lean_dec(self.pointer) }
    }
}

impl fmt::Debug for Owned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Owned").field(&self.pointer).finish()
    }
}

impl<'a, 'lean> Borrowed<'a, 'lean> {
    /// One more reference to this object.
    #[must_use]
    pub fn to_owned(self) -> Owned<'lean> {
        // SAFETY: the object is alive for `'a`, so its count may be read and raised; only this thread touches it, as
        // no owner can leave its thread. The new reference is the one that `from_raw` takes charge of.
        unsafe {
            ffi::lean_inc(self.pointer);
            Owned::from_raw(self.thread, self.pointer)
        }
    }

    /// The text of a Lean `String`, read by its length; `None` for any other object.
    #[must_use]
    pub fn text(self) -> Option<Cow<'a, str>> {
        if ffi::lean_is_scalar(self.pointer) {
            return None;
        }
        // SAFETY: not a scalar, so a live object for `'a`, whose header tells whether it is a string.
        if !unsafe { ffi::lean_is_string(self.pointer) } {
            return None;
        }
        // SAFETY: a string object has `size` initialised bytes at `cstr`, the last of them a NUL that is not text.
        // They do not move or change for `'a`: Lean writes to a string in place only where it is given the one
        // reference to it, and `keeper` holds one.
        let bytes = unsafe {
            let size = ffi::lean_string_size(self.pointer);
            std::slice::from_raw_parts(ffi::lean_string_cstr(self.pointer), size - 1)
        };
        // Lean keeps its strings valid UTF-8; were one not, this would show it instead of being unsound.
        Some(String::from_utf8_lossy(bytes))
    }

    /// The elements of a Lean `Array`; `None` for any other object.
    fn items(self) -> Option<Vec<Borrowed<'a, 'lean>>> {
        if ffi::lean_is_scalar(self.pointer) {
            return None;
        }
        // SAFETY: not a scalar, so a live object for `'a`, whose header tells whether it is an array.
        if !unsafe { ffi::lean_is_array(self.pointer) } {
            return None;
        }
        // SAFETY: an array object has `size` elements, which it keeps alive as long as it lives itself. They do not change
        // for `'a`: Lean writes to an array in place only where it is given the one reference to it, and `keeper` holds
        // one.
        let item = |place| unsafe { ffi::lean_array_get_core(self.pointer, place) };
        // SAFETY: an array object, as above.
        let size = unsafe { ffi::lean_array_size(self.pointer) };
        Some((0..size).map(|place| Borrowed { pointer: item(place), ..self }).collect())
    }

    /// The number in a boxed `UInt64`.
    ///
    /// # Safety
    ///
    /// This object is a `UInt64` that Lean boxed, as inside the result of an `IO UInt64`.
    pub(crate) unsafe fn unbox_u64(self) -> u64 {
        // SAFETY: a boxed `UInt64` is a constructor object with no fields and eight bytes, also when it is small.
        unsafe { ffi::lean_unbox_uint64(self.pointer) }
    }

    /// The `Bool` that Lean boxed, as inside the result of an `IO Bool`; `None` for anything but a boxed number.
    pub(crate) fn unbox_bool(self) -> Option<bool> {
        ffi::lean_is_scalar(self.pointer).then(|| ffi::lean_unbox(self.pointer) != 0)
    }

    /// The number of the constructor, for a value of an inductive type.
    fn tag(self) -> u32 {
        // SAFETY: a boxed scalar is looked at as a number; anything else is alive for `'a` and has a header.
        unsafe { ffi::lean_obj_tag(self.pointer) }
    }
}

impl fmt::Debug for Borrowed<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Borrowed").field(&self.pointer).finish()
    }
}

/// A Lean object that any thread may hold: it is marked, so its reference count is atomic.
///
/// Holds one reference. What is behind it is immutable, or made for threads by Lean itself (a cancel token).
pub(crate) struct SharedObject {
    pointer: *mut ffi::lean_object,
}

// SAFETY: the object was marked with `lean_mark_mt`, so its reference counts, and those of all that it holds, are atomic,
// and Lean lets any attached thread use it. Whoever uses it here is attached: `on` asks for proof, `drop` sees to it.
unsafe impl Send for SharedObject {}
// SAFETY: as for `Send`; through a shared borrow only `on` is to be had.
unsafe impl Sync for SharedObject {}

impl SharedObject {
    /// Marks `object` and all that it holds, which walks all of it the first time (119 ms for an environment of `Lean`), and
    /// costs nothing if it was marked before.
    pub(crate) fn new(object: Owned<'_>) -> Self {
        // SAFETY: attached, and the only thread that touches the object, both as `Owned` proves.
        unsafe { ffi::lean_mark_mt(object.pointer) };
        Self { pointer: object.into_raw() }
    }

    /// A reference for this thread.
    pub(crate) fn on<'lean>(&self, thread: &'lean LeanThread) -> Owned<'lean> {
        // SAFETY: alive, since `self` holds a reference, and marked, so any attached thread may raise its count and hold a
        // reference; `thread` proves that this one is attached.
        unsafe {
            ffi::lean_inc(self.pointer);
            Owned::from_raw(thread, self.pointer)
        }
    }
}

impl Drop for SharedObject {
    /// Attaches this thread, if it is not.
    fn drop(&mut self) {
        let Some(started) = Started::get() else {
            // Only while Lean is being started or where that failed; nothing can be released then.
            return;
        };
        let thread = started.attach();
        // SAFETY: this value owns one reference, which it gives up here, and the object is marked.
        drop(unsafe { Owned::from_raw(&thread, self.pointer) });
    }
}

/// The `IO.Error` in `error`, in words.
fn thrown(error: Owned<'_>) -> LeanError {
    let tag = error.as_borrowed().tag();
    let thread = error.thread;
    // SAFETY: `error` came out of an `IO` result as its error, so it is an `IO.Error`; it is given away, as the callee
    // takes it owned, and the callee returns an owned string.
    let text = unsafe { Owned::from_raw(thread, ffi::lean_io_error_to_string(error.into_raw())) };
    LeanError::thrown(tag, &text.into_text().unwrap_or_default())
}
