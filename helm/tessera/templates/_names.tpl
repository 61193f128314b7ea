{{- define "tessera.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* Short enough that `-admin`, `-envoy` and `-dashboard` fit behind it. */}}
{{- define "tessera.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "tessera.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "tessera.selector" -}}
app.kubernetes.io/name: {{ include "tessera.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* What the pods that serve have, and nothing else of the release. */}}
{{- define "tessera.serverSelector" -}}
{{ include "tessera.selector" . }}
app.kubernetes.io/component: server
{{- end }}

{{- define "tessera.testSelector" -}}
{{ include "tessera.selector" . }}
app.kubernetes.io/component: test
{{- end }}

{{/*
Labels: (list $ MORE…), each more of them a mapping. Ours, which selectors go by, win over those, and no name comes twice.
Those of pods are without the chart's version: another one alone must not start them anew.
*/}}
{{- define "tessera.podLabels" -}}
{{- $root := first . -}}
{{- $labels := include "tessera.selector" $root | fromYaml -}}
{{- $_ := set $labels "app.kubernetes.io/version" $root.Chart.AppVersion -}}
{{- range rest . }}{{ $labels = merge $labels . }}{{ end -}}
{{- toYaml (merge $labels $root.Values.commonLabels) -}}
{{- end }}

{{- define "tessera.labels" -}}
{{- $root := first . -}}
{{- $ours := dict "app.kubernetes.io/managed-by" $root.Release.Service "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") -}}
{{- include "tessera.podLabels" (concat (list $root $ours) (rest .)) -}}
{{- end }}

{{- define "tessera.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "tessera.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "tessera.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end }}

{{/* The listeners that are on, as `[names]` in JSON. */}}
{{- define "tessera.listeners" -}}
{{- $on := list "public" "admin" -}}
{{- if .Values.listeners.tyk.enabled }}{{ $on = append $on "tyk" }}{{ end -}}
{{- if .Values.listeners.envoy.enabled }}{{ $on = append $on "envoy" }}{{ end -}}
{{- toJson $on -}}
{{- end }}

{{/* The name that a Service has in the whole cluster: (list $ "-admin") */}}
{{- define "tessera.host" -}}
{{- $root := index . 0 -}}
{{- printf "%s%s.%s.svc" (include "tessera.fullname" $root) (index . 1) $root.Release.Namespace -}}
{{- end }}

{{- define "tessera.clientSecret" -}}
{{- default (include "tessera.fullname" .) .Values.client.existingSecret -}}
{{- end }}
{{- define "tessera.sealingSecret" -}}
{{- default (include "tessera.fullname" .) .Values.sealing.existingSecret -}}
{{- end }}

{{/* Whether anything is sealed: `true` or nothing. */}}
{{- define "tessera.seals" -}}
{{- if or (ne .Values.redis.mode "none") .Values.persistence.enabled }}true{{ end -}}
{{- end }}

{{/* Whether there is more than one replica: `true` or nothing. */}}
{{- define "tessera.several" -}}
{{- if .Values.autoscaling.enabled -}}
{{- if gt (int .Values.autoscaling.maxReplicas) 1 }}true{{ end -}}
{{- else if gt (int .Values.replicaCount) 1 }}true{{ end -}}
{{- end }}
