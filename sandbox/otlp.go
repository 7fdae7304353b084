package sandbox

import (
	"fmt"
	"net/http"

	collectorlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"roundhouse/sandbox/payload"
)

// maxOTLP bounds a batch that is decoded at once.
const maxOTLP = 10 << 20

// otlpRoutes are where exporters of OpenTelemetry send to.
func (s *Sandbox) otlpRoutes(mux *http.ServeMux) {
	for _, signal := range []payload.OTLPSignal{payload.OTLPTraces, payload.OTLPLogs} {
		h := s.receiveOTLP(signal)
		for _, end := range []string{"", "/{$}"} {
			path := "/api/{project}/integration/otlp/v1/" + string(signal) + end
			mux.HandleFunc("POST "+path, h)
			mux.HandleFunc("OPTIONS "+path, preflight)
		}
	}
}

// receiveOTLP takes a batch as an envelope is taken. Errors are told as to other
// senders; an answer that is good is in the encoding of the request.
func (s *Sandbox) receiveOTLP(signal payload.OTLPSignal) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		allowAnyOrigin(w.Header())
		dropped, contentType := 0, r.Header.Get("Content-Type")
		_, err := s.accept(w, r, func(raw []byte) (env *payload.Envelope, err error) {
			if len(raw) > maxOTLP {
				return nil, refuse(http.StatusRequestEntityTooLarge, "the batch is larger than %d bytes", maxOTLP)
			}
			if env, dropped, err = payload.ParseOTLP(signal, contentType, raw); err != nil {
				return nil, badRequest("bad OTLP %s: %v", signal, err)
			}
			return env, nil
		})
		if err != nil {
			s.refuseSender(w, r, err)
			return
		}
		writeOTLP(w, payload.IsJSON(contentType), exported(signal, dropped))
	}
}

func exported(signal payload.OTLPSignal, dropped int) proto.Message {
	if signal == payload.OTLPLogs {
		return &collectorlogs.ExportLogsServiceResponse{}
	}
	answer := &collectortrace.ExportTraceServiceResponse{}
	if dropped > 0 {
		answer.PartialSuccess = &collectortrace.ExportTracePartialSuccess{RejectedSpans: int64(dropped),
			ErrorMessage: fmt.Sprintf("%d spans have no trace id of 16 or no span id of 8 bytes", dropped)}
	}
	return answer
}

func writeOTLP(w http.ResponseWriter, asJSON bool, answer proto.Message) {
	encode, contentType := proto.Marshal, "application/x-protobuf"
	if asJSON {
		encode, contentType = protojson.Marshal, "application/json"
	}
	raw, err := encode(answer)
	if err != nil { // of two numbers and a text
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Write(raw)
}
