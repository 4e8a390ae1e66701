// Command bare is the yardstick of make bench: httprouter, a sync.Map and net/http as
// they come, and nothing of what a store promises.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"

	"github.com/julienschmidt/httprouter"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	flag.Parse()
	var values sync.Map
	router := httprouter.New()
	router.GET("/*key", func(w http.ResponseWriter, _ *http.Request, ps httprouter.Params) {
		value, ok := values.Load(ps.ByName("key"))
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(value.([]byte))))
		w.Write(value.([]byte)) //nolint:errcheck // the client is gone
	})
	router.PUT("/*key", func(w http.ResponseWriter, r *http.Request, ps httprouter.Params) {
		value, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		values.Store(ps.ByName("key"), value)
		w.WriteHeader(http.StatusNoContent)
	})
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(l.Addr())
	log.Fatal(http.Serve(l, router))
}
