/* SPDX-License-Identifier: MIT */
/*
 * The i8042, after IBM's AT and PS/2 technical references. It answers at
 * once, so the input buffer is never full. Bytes wait in a queue a source;
 * the output buffer takes the controller's before the keyboard's, and a
 * disabled port's never. The second port works but has no mouse: bytes sent
 * there come back as a timeout.
 */
#include "devices/kbd.h"

#include "lib/string.h"

#define STATUS_OBF     BIT(0)
#define STATUS_SYS     BIT(2)
#define STATUS_A2      BIT(3)
#define STATUS_UNLOCK  BIT(4)
#define STATUS_AUX     BIT(5)
#define STATUS_TIMEOUT BIT(6)
#define STATUS_PARITY  BIT(7)

#define CCB_INT1      BIT(0)
#define CCB_INT12     BIT(1)
#define CCB_SYS       BIT(2)
#define CCB_DISABLE1  BIT(4)
#define CCB_DISABLE2  BIT(5)
#define CCB_TRANSLATE BIT(6)

#define OUTPUT_RESET BIT(0) /* active low */
#define OUTPUT_A20   BIT(1)
#define OUTPUT_INT1  BIT(4)
#define OUTPUT_INT12 BIT(5)
#define OUTPUT_IDLE  0xcc

#define KBD_ACK    0xfa
#define KBD_RESEND 0xfe

static u8 *kbd_ccb(struct kbd *k)
{
	return &k->ram[0];
}

static void kbd_update(struct kbd *k)
{
	bool full = k->status & STATUS_OBF;
	bool aux = k->status & STATUS_AUX;

	line_set(&k->irq1, full && !aux && (*kbd_ccb(k) & CCB_INT1));
	line_set(&k->irq12, full && aux && (*kbd_ccb(k) & CCB_INT12));
}

static void kbd_fill(struct kbd *k, enum kbd_source source)
{
	struct kbd_queue *q = &k->queue[source];

	k->data = q->byte[q->head];
	k->status &= (u8)~(STATUS_AUX | STATUS_TIMEOUT | STATUS_PARITY);
	k->status |= STATUS_OBF | q->status[q->head];
	q->head = (q->head + 1) % KBD_QUEUE;
	q->length--;
}

/* Moves the next byte into the output buffer when that is empty. */
static void kbd_pump(struct kbd *k)
{
	static const u8 disable[KBD_SOURCES] = {
		[KBD_KEYBOARD] = CCB_DISABLE1, [KBD_AUX] = CCB_DISABLE2,
	};

	for (unsigned i = 0; i < KBD_SOURCES; i++) {
		if (k->status & STATUS_OBF)
			break;
		if (k->queue[i].length && !(*kbd_ccb(k) & disable[i]))
			kbd_fill(k, i);
	}
	kbd_update(k);
}

static void kbd_queue_add(struct kbd *k, enum kbd_source source, u8 byte,
			  u8 status)
{
	struct kbd_queue *q = &k->queue[source];
	unsigned at = (q->head + q->length) % KBD_QUEUE;

	if (q->length == KBD_QUEUE)
		return;
	q->byte[at] = byte;
	q->status[at] = status;
	q->length++;
}

static void kbd_reply(struct kbd *k, u8 byte)
{
	kbd_queue_add(k, KBD_CONTROLLER, byte, 0);
}

/* What the keyboard's answers become when the controller translates. */
static u8 kbd_translate(u8 byte)
{
	switch (byte) {
	case 0x01: return 0x43;
	case 0x02: return 0x41;
	case 0x03: return 0x3f;
	case 0x83: return 0x41;
	default:   return byte;
	}
}

static void kbd_answer(struct kbd *k, u8 byte)
{
	k->last_sent = byte;
	if (*kbd_ccb(k) & CCB_TRANSLATE)
		byte = kbd_translate(byte);
	kbd_queue_add(k, KBD_KEYBOARD, byte, 0);
}

/* The second byte of a keyboard command. */
static void keyboard_parameter(struct kbd *k, u8 value)
{
	u8 command = k->keyboard_command;

	k->keyboard_command = 0;
	if (command == 0xf0 && value > 3) {
		kbd_answer(k, KBD_RESEND);
		return;
	}
	kbd_answer(k, KBD_ACK);
	if (command == 0xed)
		k->leds = value & 7;
	else if (command == 0xf0 && value == 0)
		kbd_answer(k, k->scan_set);
	else if (command == 0xf0)
		k->scan_set = value;
}

static void keyboard_defaults(struct kbd *k)
{
	k->scan_set = 2;
	k->leds = 0;
	k->keyboard_command = 0;
}

static void keyboard_write(struct kbd *k, u8 value)
{
	if (k->keyboard_command && value < 0xed) {
		keyboard_parameter(k, value);
		return;
	}
	k->keyboard_command = 0;
	switch (value) {
	case 0xed: /* LEDs */
	case 0xf0: /* scan code set */
	case 0xf3: /* typematic rate */
	case 0xfb: /* set 3: one key's type, three commands */
	case 0xfc:
	case 0xfd:
		k->keyboard_command = value;
		kbd_answer(k, KBD_ACK);
		break;
	case 0xee: /* echo */
		kbd_answer(k, value);
		break;
	case 0xf2: /* identify: an MF II keyboard */
		kbd_answer(k, KBD_ACK);
		kbd_answer(k, 0xab);
		kbd_answer(k, 0x83);
		break;
	case 0xf5: /* disable and set defaults */
	case 0xf6: /* set defaults */
		keyboard_defaults(k);
		kbd_answer(k, KBD_ACK);
		break;
	case 0xf4: /* enable */
	case 0xf7: /* set 3: all keys' type, four commands */
	case 0xf8:
	case 0xf9:
	case 0xfa:
		kbd_answer(k, KBD_ACK);
		break;
	case 0xfe: /* resend */
		kbd_answer(k, k->last_sent);
		break;
	case 0xff: /* reset, with the self test's result */
		keyboard_defaults(k);
		k->queue[KBD_KEYBOARD].length = 0;
		kbd_answer(k, KBD_ACK);
		kbd_answer(k, 0xaa);
		break;
	default:
		kbd_answer(k, KBD_RESEND);
	}
}

static u8 kbd_output_port(const struct kbd *k)
{
	u8 value = OUTPUT_IDLE | OUTPUT_RESET;

	if (k->a20->open)
		value |= OUTPUT_A20;
	if (k->status & STATUS_OBF)
		value |= k->status & STATUS_AUX ? OUTPUT_INT12 : OUTPUT_INT1;
	return value;
}

static void kbd_set_output_port(struct kbd *k, u8 value)
{
	a20_set(k->a20, value & OUTPUT_A20);
	if (!(value & OUTPUT_RESET))
		stop_now(&k->stop, BOARD_RESET, 0);
}

static void kbd_self_test(struct kbd *k)
{
	memset(k->queue, 0, sizeof(k->queue));
	k->status &= (u8)~STATUS_OBF;
	k->status |= STATUS_SYS;
	*kbd_ccb(k) = CCB_DISABLE1 | CCB_DISABLE2 | CCB_SYS;
	kbd_reply(k, 0x55);
}

/* Commands 60h to 7Fh and D1h to D4h want a byte at port 60h. */
static bool kbd_wants_byte(u8 command)
{
	return (command & 0xe0) == 0x60 || (command >= 0xd1 && command <= 0xd4);
}

static void kbd_set_ccb_bit(struct kbd *k, u8 bit, bool set)
{
	*kbd_ccb(k) = set ? *kbd_ccb(k) | bit : *kbd_ccb(k) & (u8)~bit;
}

/* F0h to FFh pulse the output port's low bits that are clear. */
static void kbd_pulse(struct kbd *k, u8 command)
{
	if (!(command & OUTPUT_RESET))
		stop_now(&k->stop, BOARD_RESET, 0);
}

static void kbd_command(struct kbd *k, u8 command)
{
	switch (command) {
	case 0x20 ... 0x3f: kbd_reply(k, k->ram[command & 0x1f]); break;
	case 0xa7: kbd_set_ccb_bit(k, CCB_DISABLE2, true); break;
	case 0xa8: kbd_set_ccb_bit(k, CCB_DISABLE2, false); break;
	case 0xa9: kbd_reply(k, 0x00); break; /* second port's lines are good */
	case 0xaa: kbd_self_test(k); break;
	case 0xab: kbd_reply(k, 0x00); break; /* first port's lines are good */
	case 0xad: kbd_set_ccb_bit(k, CCB_DISABLE1, true); break;
	case 0xae: kbd_set_ccb_bit(k, CCB_DISABLE1, false); break;
	case 0xc0: kbd_reply(k, 0x80); break; /* input port: not locked */
	case 0xd0: kbd_reply(k, kbd_output_port(k)); break;
	case 0xdd: a20_set(k->a20, false); break;
	case 0xdf: a20_set(k->a20, true); break;
	case 0xe0: kbd_reply(k, 0x00); break; /* test inputs */
	case 0xf0 ... 0xff: kbd_pulse(k, command); break;
	}
}

/* The byte that a controller command waited for. */
static void kbd_parameter(struct kbd *k, u8 command, u8 value)
{
	switch (command) {
	case 0x60:
		*kbd_ccb(k) = value;
		k->status &= (u8)~STATUS_SYS;
		k->status |= value & CCB_SYS ? STATUS_SYS : 0;
		break;
	case 0x61 ... 0x7f:
		k->ram[command & 0x1f] = value;
		break;
	case 0xd1:
		kbd_set_output_port(k, value);
		break;
	case 0xd2: /* as if the keyboard had sent it */
		kbd_queue_add(k, KBD_CONTROLLER, value, 0);
		break;
	case 0xd3: /* as if the mouse had sent it */
		kbd_queue_add(k, KBD_CONTROLLER, value, STATUS_AUX);
		break;
	case 0xd4: /* to the mouse, and nobody is there */
		kbd_set_ccb_bit(k, CCB_DISABLE2, false);
		kbd_queue_add(k, KBD_AUX, KBD_RESEND,
			      STATUS_AUX | STATUS_TIMEOUT);
		break;
	}
}

u32 kbd_read_data(void *kbd, unsigned offset, unsigned size)
{
	struct kbd *k = kbd;
	u8 value = k->data;

	/* The line falls before the next byte makes it rise. */
	k->status &= (u8)~STATUS_OBF;
	kbd_update(k);
	kbd_pump(k);
	return value;
}

void kbd_write_data(void *kbd, unsigned offset, unsigned size, u32 value)
{
	struct kbd *k = kbd;
	u8 command = k->command;

	k->status &= (u8)~STATUS_A2;
	k->command = 0;
	if (command) {
		kbd_parameter(k, command, (u8)value);
	} else {
		/* Sending to the keyboard enables its port. */
		kbd_set_ccb_bit(k, CCB_DISABLE1, false);
		keyboard_write(k, (u8)value);
	}
	kbd_pump(k);
}

u32 kbd_read_status(void *kbd, unsigned offset, unsigned size)
{
	return ((struct kbd *)kbd)->status;
}

void kbd_write_command(void *kbd, unsigned offset, unsigned size, u32 value)
{
	struct kbd *k = kbd;
	u8 command = (u8)value;

	k->status |= STATUS_A2;
	k->command = kbd_wants_byte(command) ? command : 0;
	kbd_command(k, command);
	kbd_pump(k);
}

void kbd_reset(struct kbd *k)
{
	memset(k->ram, 0, sizeof(k->ram));
	memset(k->queue, 0, sizeof(k->queue));
	*kbd_ccb(k) = CCB_DISABLE1 | CCB_DISABLE2;
	k->status = STATUS_UNLOCK;
	k->data = k->command = k->last_sent = 0;
	keyboard_defaults(k);
	kbd_update(k);
}

void kbd_init(struct kbd *k, const struct line *irq1, const struct line *irq12,
	      const struct stop_line *stop, struct a20_gate *a20)
{
	memset(k, 0, sizeof(*k));
	k->irq1 = *irq1;
	k->irq12 = *irq12;
	k->stop = *stop;
	k->a20 = a20;
	kbd_reset(k);
}
