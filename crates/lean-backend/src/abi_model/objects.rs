//! Objects in memory: the layouts of `lean.h`, made and read.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use lean_sys::{
    LeanArray, LeanReserved, LeanString, lean_array_cptr, lean_array_object, lean_array_size,
    lean_ctor_num_objs, lean_ctor_obj_cptr, lean_is_array, lean_is_ctor, lean_object, lean_string_cstr,
    lean_string_object, lean_string_size,
};

use super::ledger::{self, Kind};
use super::outcome::Facts;
use super::violation::violation;

/// What a released object's header is overwritten with. A negative count: with it, `lean_dec` always ends in
/// `lean_dec_ref_cold`, also after a `lean_inc`, and so is found out. The tag: no reader takes it for a string.
const BURIED: lean_object = lean_object { m_rc: -0x0ddd_dddd, m_cs_sz: 0, m_other: 0, m_tag: LeanReserved };
/// What the rest of it is overwritten with.
const BURIED_BYTE: u8 = 0xdd;
/// To compare many at once.
const BURIED_BYTES: [u8; 256] = [BURIED_BYTE; 256];
const HEADER: usize = size_of::<lean_object>();

/// A `String`; what is not UTF-8 is replaced, as Lean does.
pub(super) fn string(text: &str) -> *mut lean_object {
    let size = text.len() + 1;
    let bytes = size_of::<lean_string_object>() + size;
    let object = make(bytes, LeanString, 0);
    // SAFETY: just made, large enough for the fields and `size` bytes after them, and zeroed, so the text ends in a NUL.
    unsafe {
        let string = object.cast::<lean_string_object>();
        (*string).m_size = size;
        (*string).m_capacity = size;
        (*string).m_length = text.chars().count();
        lean_string_cstr(object).cast_mut().copy_from_nonoverlapping(text.as_ptr(), text.len());
    }
    ledger::enter(object, bytes, Kind::String);
    object
}

/// An `Array` that takes over one reference to each of `items`, with room for `capacity`, or for these.
pub(super) fn array(items: &[*mut lean_object], capacity: usize) -> *mut lean_object {
    let capacity = capacity.max(items.len());
    let bytes = size_of::<lean_array_object>() + size_of::<*mut lean_object>() * capacity;
    let object = make(bytes, LeanArray, 0);
    // SAFETY: just made, large enough for the fields and the items after them.
    unsafe {
        let array = object.cast::<lean_array_object>();
        (*array).m_size = items.len();
        (*array).m_capacity = capacity;
        lean_array_cptr(object).copy_from_nonoverlapping(items.as_ptr(), items.len());
    }
    ledger::enter(object, bytes, Kind::Array);
    object
}

/// What an `Array` holds, which holds nothing afterwards.
///
/// # Safety
///
/// `object` is a live `Array`, and the caller has the one reference to it.
pub(super) unsafe fn take_items(object: *mut lean_object) -> Vec<*mut lean_object> {
    // SAFETY: as the caller says.
    unsafe {
        let items = fields(object);
        (*object.cast::<lean_array_object>()).m_size = 0;
        items
    }
}

/// Puts `value` at the end of an `Array`, if there is room.
///
/// # Safety
///
/// `object` is a live `Array`, and the caller has the one reference to it; if this succeeds, it has one to `value` less.
pub(super) unsafe fn push_in_place(object: *mut lean_object, value: *mut lean_object) -> bool {
    // SAFETY: as the caller says; the place after the last item is inside where there is room.
    unsafe {
        let array = object.cast::<lean_array_object>();
        let size = (*array).m_size;
        let is_room = size < (*array).m_capacity;
        if is_room {
            lean_array_cptr(object).add(size).write(value);
            (*array).m_size = size + 1;
        }
        is_room
    }
}

pub(super) fn strings(texts: &[String]) -> *mut lean_object {
    array(&texts.iter().map(|text| string(text)).collect::<Vec<_>>(), 0)
}

/// The result of an `IO` function that returned `value`.
pub(super) fn ok(value: *mut lean_object) -> *mut lean_object {
    constructor(0, &[value], 0, Kind::IoResult)
}

/// The result of an `IO` function that threw the `IO.Error` with constructor `tag`; its one field is the message.
pub(super) fn thrown(tag: u8, message: &str) -> *mut lean_object {
    let error = constructor(tag, &[string(message)], 0, Kind::IoError);
    constructor(1, &[error], 0, Kind::IoResult)
}

pub(super) fn boxed_u64(number: u64) -> *mut lean_object {
    let object = constructor(0, &[], size_of::<u64>(), Kind::UInt64);
    // SAFETY: just made, with eight bytes after its header.
    unsafe { lean_sys::lean_ctor_set_uint64(object, 0, number) };
    object
}

/// A pinned one has no count of references, and lives for ever.
pub(super) fn environment(facts: Facts, pinned: bool) -> *mut lean_object {
    let object = constructor(0, &[], 0, Kind::Environment(facts));
    if pinned {
        ledger::pin(object);
        // SAFETY: just made, and nobody else has it.
        unsafe { (*object).m_rc = 0 };
    }
    object
}

pub(super) fn cancel_token() -> *mut lean_object {
    constructor(0, &[], 0, Kind::CancelToken(Arc::new(AtomicBool::new(false))))
}

fn constructor(tag: u8, fields: &[*mut lean_object], scalar_bytes: usize, kind: Kind) -> *mut lean_object {
    let Ok(count) = u8::try_from(fields.len()) else { violation("a constructor with more than 255 fields") };
    let bytes = HEADER + size_of_val(fields) + scalar_bytes;
    let object = make(bytes, tag, count);
    // SAFETY: just made, large enough for the fields after its header.
    unsafe { lean_ctor_obj_cptr(object).copy_from_nonoverlapping(fields.as_ptr(), fields.len()) };
    ledger::enter(object, bytes, kind);
    object
}

/// Memory for an object, zeroed but for its header, which has one reference.
fn make(bytes: usize, tag: u8, other: u8) -> *mut lean_object {
    let layout = layout(bytes);
    // SAFETY: the layout has at least the size of a header.
    let object = unsafe { alloc_zeroed(layout) }.cast::<lean_object>();
    if object.is_null() {
        handle_alloc_error(layout);
    }
    // The ledger keeps addresses, and gets pointers back from them.
    object.expose_provenance();
    // SAFETY: just made, large enough for a header, and aligned.
    unsafe { object.write(lean_object { m_rc: 1, m_cs_sz: 0, m_other: other, m_tag: tag }) };
    object
}

fn layout(bytes: usize) -> Layout {
    let Ok(layout) = Layout::from_size_align(bytes, align_of::<usize>()) else {
        violation(&format!("an object of {bytes} bytes was asked for"));
    };
    layout
}

/// The text of a `String`.
///
/// # Safety
///
/// `object` is a live `String`.
pub(super) unsafe fn text(object: *mut lean_object) -> String {
    // SAFETY: a string has `size` bytes, the last of them a NUL that is not text.
    let bytes = unsafe {
        let size = lean_string_size(object).saturating_sub(1);
        std::slice::from_raw_parts(lean_string_cstr(object), size)
    };
    String::from_utf8_lossy(bytes).into_owned()
}

/// The objects and boxed scalars that an object holds.
///
/// # Safety
///
/// `object` is alive.
pub(super) unsafe fn fields(object: *mut lean_object) -> Vec<*mut lean_object> {
    // SAFETY: the header tells how many there are, and they follow it (for an array: its size and capacity).
    unsafe {
        if lean_is_array(object) {
            std::slice::from_raw_parts(lean_array_cptr(object), lean_array_size(object)).to_vec()
        } else if lean_is_ctor(object) {
            let count = lean_ctor_num_objs(object) as usize;
            std::slice::from_raw_parts(lean_ctor_obj_cptr(object), count).to_vec()
        } else {
            Vec::new()
        }
    }
}

/// The count of references, negative for a marked object.
///
/// # Safety
///
/// `object` is alive.
pub(super) unsafe fn count(object: *mut lean_object) -> i32 {
    // SAFETY: as the caller says.
    unsafe { counter(object) }.load(Ordering::Relaxed)
}

/// Gives one reference back; whether it was the last.
///
/// # Safety
///
/// `object` is alive, and this thread may use it.
pub(super) unsafe fn drop_reference(object: *mut lean_object, marked: bool) -> bool {
    // SAFETY: as the caller says.
    let counter = unsafe { counter(object) };
    if marked {
        counter.fetch_add(1, Ordering::AcqRel) == -1
    } else {
        counter.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

/// # Safety
///
/// `object` is alive, and only this thread uses it.
pub(super) unsafe fn negate_count(object: *mut lean_object) {
    // SAFETY: as the caller says.
    let counter = unsafe { counter(object) };
    counter.store(-counter.load(Ordering::Relaxed), Ordering::Release);
}

/// # Safety
///
/// `object` points to the memory of an object, for `'a`.
unsafe fn counter<'a>(object: *mut lean_object) -> &'a AtomicI32 {
    // SAFETY: aligned and there, as the caller says. lean-sys' inline code counts without atomics, but only on the one
    // thread that may use an object that is not marked; where a test breaks that rule the model is to find it out.
    unsafe { AtomicI32::from_ptr(&raw mut (*object).m_rc) }
}

/// Overwrites an object that was released.
///
/// # Safety
///
/// `object` was made with this size, and nobody may use it any more.
pub(super) unsafe fn bury(object: *mut lean_object, bytes: usize) {
    // SAFETY: all that is written lies inside it.
    unsafe {
        object.write(BURIED);
        object.cast::<u8>().add(HEADER).write_bytes(BURIED_BYTE, bytes - HEADER);
    }
}

/// Whether nobody wrote to an object since it was buried.
///
/// # Safety
///
/// `object` was made with this size, buried, and not given back.
pub(super) unsafe fn is_untouched(object: *mut lean_object, bytes: usize) -> bool {
    // SAFETY: all that is read lies inside it.
    let (header, rest) = unsafe {
        let rest = object.cast::<u8>().add(HEADER);
        (object.read(), std::slice::from_raw_parts(rest, bytes - HEADER))
    };
    let seen = (header.m_rc, header.m_cs_sz, header.m_other, header.m_tag);
    seen == (BURIED.m_rc, BURIED.m_cs_sz, BURIED.m_other, BURIED.m_tag)
        && rest.chunks(BURIED_BYTES.len()).all(|bytes| bytes == &BURIED_BYTES[..bytes.len()])
}

/// # Safety
///
/// `object` was made with this size, and is not used any more, not even looked at.
pub(super) unsafe fn give_back(object: *mut lean_object, bytes: usize) {
    // SAFETY: `make` allocated it with the same layout.
    unsafe { dealloc(object.cast(), layout(bytes)) }
}
