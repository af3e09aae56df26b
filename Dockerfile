# Builds the node image from source, for hosts whose own executable cannot run in a container (netsplit on Linux makes
# its image from the running executable instead and needs no build):
#
#   docker build -t netsplit/node:local .
#   netsplit run split-brain --image netsplit/node:local
FROM golang:1.26 AS build
ARG GOPROXY
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /netsplit .

FROM scratch
COPY --from=build /netsplit /netsplit
ENTRYPOINT ["/netsplit"]
