package daemon

import "sync"

// Limits of what waits to be sent to one peer. A peer that does not take it is disconnected.
const (
	maxQueuedFrames = 4096
	maxQueuedBytes  = 16 << 20
)

// sendQueue holds frames between the loop, which never waits, and a peer's writer.
type sendQueue struct {
	wake chan struct{} // holds a token while frames wait

	mu     sync.Mutex
	frames [][]byte
	count  int // frames that wait or are being written
	bytes  int // of those
}

func newSendQueue() *sendQueue { return &sendQueue{wake: make(chan struct{}, 1)} }

// push adds a frame; false: the queue is full. The frame is not copied and may be shared by many queues.
func (q *sendQueue) push(frame []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.count >= maxQueuedFrames || q.bytes+len(frame) > maxQueuedBytes {
		return false
	}
	q.frames = append(q.frames, frame)
	q.count++
	q.bytes += len(frame)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return true
}

// take returns the frames that wait, in order; each counts against the limits until it is reported to sent.
func (q *sendQueue) take() [][]byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	frames := q.frames
	q.frames = nil
	return frames
}

func (q *sendQueue) sent(frame []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count--
	q.bytes -= len(frame)
}
